from __future__ import annotations

from proxy.workers.board import Board


def test_a_worker_that_takes_none_is_nobodys_measure() -> None:
    board = Board(3)
    board.write(1, 5)
    assert (board.has_fewest(1), board.read(1), board.read(2)) == (True, 5, None)
    board.write(2, 4)
    assert (board.has_fewest(1), board.has_fewest(2)) == (False, True)
    board.write(1, 4)
    assert (board.has_fewest(1), board.has_fewest(2)) == (True, True)
    board.leave(2)
    board.write(1, 9)
    assert board.has_fewest(1)
