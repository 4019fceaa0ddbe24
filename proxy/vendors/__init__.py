"""One module per vendor kind, each answering the questions of `base.Vendor`; `registry` names them."""
