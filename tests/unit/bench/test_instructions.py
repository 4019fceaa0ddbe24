from __future__ import annotations

from bench.instructions import counted, per_request, steps, table

PRINTED = """
--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
1,200,000 (100.0%)  PROGRAM TOTALS
  900,000 (75.00%)  build/__native.c:CPyDef_upstream___UpstreamConnection___data_received [/x/y.so]
  100,000 ( 8.33%)  build/__native.c:CPyDef_gate___Gate___open [/x/y.so]
   50,000 ( 4.16%)  build/__native.c:CPyDef_gate___Gate___open'2 [/x/y.so]
   20,000 ( 1.66%)  > build/__native.c:CPyDef_gate___Gate___open (1,200x) [/x/y.so]
"""


def test_functions_are_read_with_their_instructions() -> None:
    assert counted(PRINTED) == {
        "CPyDef_upstream___UpstreamConnection___data_received": 900_000,
        "CPyDef_gate___Gate___open": 100_000,
        "CPyDef_gate___Gate___open'2": 50_000,
    }


def test_the_start_is_taken_off() -> None:
    assert per_request({"a": 5_000}, {"a": 15_000, "b": 1_000}) == {"a": 10.0, "b": 1.0}


def test_steps_do_not_overlap_and_add_up() -> None:
    cost = {
        "CPyDef_upstream___UpstreamConnection___data_received": 60.0,
        "CPyDef_downstream___ClientConnection___data_received": 40.0,
        "__pyx_pw_9httptools_6parser_6parser_10HttpParser_13feed_data": 50.0,
        "CPyDef_downstream___ClientConnection___on_headers_complete": 30.0,
        "CPyDef_upstream___UpstreamConnection___on_header": 5.0,
        "CPyDef_gate___Gate___open": 20.0,
        "CPyDef_recorders___Recorders___repeat": 12.0,
        "CPyDef_decision_log___JsonLog___repeat": 6.0,
        "CPyDef_metrics___Metrics___repeat": 2.0,
    }
    rows = dict(steps("forwarded", cost))
    assert rows["parsing the answer (llhttp, httptools)"] == 15.0
    assert rows["usage, scores, recent exchanges"] == 4.0
    assert rows["together"] == 100.0
    assert sum(number for name, number in rows.items() if name != "together") == 100.0
    assert "| together | 100 | 100 % |" in table({"forwarded": list(rows.items())})
