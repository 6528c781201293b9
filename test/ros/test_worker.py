"""The newest job wins, and the thread ends whenever it is asked to."""

import threading

from distillmatch_ros.ros.worker import Worker

PATIENCE_S = 10.0


def test_newest_job_replaces_the_one_that_waits() -> None:
    begun, go, done = threading.Event(), threading.Event(), list[int]()

    def work(job: int) -> None:
        begun.set()
        assert go.wait(PATIENCE_S)
        done.append(job)
        finished.release()

    finished = threading.Semaphore(0)
    worker = Worker(work, lambda error: None)
    assert not worker.submit(1)
    assert begun.wait(PATIENCE_S)
    assert [worker.submit(job) for job in (2, 3, 4)] == [False, True, True]
    go.set()
    assert finished.acquire(timeout=PATIENCE_S)
    assert finished.acquire(timeout=PATIENCE_S)
    worker.stop()
    assert done == [1, 4]


def test_stopping_ends_the_job_in_hand_and_drops_the_one_that_waits() -> None:
    begun, go, done = threading.Event(), threading.Event(), list[int]()

    def work(job: int) -> None:
        begun.set()
        assert go.wait(PATIENCE_S)
        done.append(job)

    worker = Worker(work, lambda error: None)
    worker.submit(1)
    assert begun.wait(PATIENCE_S)
    worker.submit(2)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    while not worker._stopping:
        pass
    go.set()
    stopper.join(PATIENCE_S)
    assert not stopper.is_alive()
    assert done == [1]


def test_failure_is_told_once_and_stopping_still_works() -> None:
    failures: list[Exception] = []
    told = threading.Event()

    def tell(error: Exception) -> None:
        failures.append(error)
        told.set()

    worker = Worker(lambda job: 1 / job, tell)
    worker.submit(0)
    assert told.wait(PATIENCE_S)
    worker.submit(0)
    worker.stop()
    assert [type(error) for error in failures] == [ZeroDivisionError]
