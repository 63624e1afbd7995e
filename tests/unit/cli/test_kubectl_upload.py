"""Packages on their way to the emulator's Cloud Storage: what is sent, what is told, what is refused."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mljobs.backends.google.storage import CHUNK
from mljobs.kubectl.failure import Failure
from mljobs.kubectl.options import Access
from mljobs.kubectl.packages import Package, Place
from mljobs.kubectl.upload import upload
from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.scripting import Denial, Fault, read_bodies
from mljobs_dev.emulator.server import serving
from mljobs_dev.emulator.storage import Conditions

PLACE = Place("team-bucket", "mljobs")
SMALL = Package("trainer-1.tar.gz", b"a package")
BIG = Package("big-1.whl", b"0123456789abcdef" * (CHUNK // 4))
GET, INSERT = "storage.objects.get", "storage.objects.insert"


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.fixture
def access(emulator: Emulator) -> Iterator[Access]:
    loop, stop, urls = asyncio.new_event_loop(), asyncio.Event(), []
    started = threading.Event()

    async def main() -> None:
        async with serving(emulator) as url:
            urls.append(url)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(10)
    yield Access(urls[0], anonymous=True)
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def written(emulator: Emulator) -> list[str]:
    return [row.object for row in emulator.ledger.rows() if row.applied]


def deny(emulator: Emulator, *permissions: str) -> None:
    emulator.service.denials += read_bodies(Denial, {"denied": list(permissions)})


def test_each_content_is_uploaded_once(
    access: Access, emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    upload([SMALL, BIG], PLACE, access)
    names = [f"team-bucket/{PLACE.object_name(package)}" for package in (SMALL, BIG)]
    assert written(emulator) == names
    assert emulator.storage.get("team-bucket", PLACE.object_name(BIG)).content == BIG.content
    assert capsys.readouterr().err.splitlines() == [
        f"trainer-1.tar.gz: uploading 9 bytes to {PLACE.uri(SMALL)}",
        f"big-1.whl: uploading 4.2 MB to {PLACE.uri(BIG)}",
        "big-1.whl: 25 %",
        "big-1.whl: 50 %",
        "big-1.whl: 75 %",
    ]
    upload([SMALL, BIG], PLACE, access)
    assert written(emulator) == names
    assert capsys.readouterr().err.splitlines() == [
        "trainer-1.tar.gz: is there already, with the same content",
        "big-1.whl: is there already, with the same content",
    ]


def test_four_at_once_upload_one_object(access: Access, emulator: Emulator) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upload([BIG], PLACE, access), range(4)))
    assert written(emulator) == [f"team-bucket/{PLACE.object_name(BIG)}"]


def test_an_upload_goes_on_where_the_connection_broke(
    access: Access, emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    fault: dict[str, Any] = {"method": INSERT, "times": 2}
    emulator.faults.add(
        read_bodies(Fault, [{**fault, "action": "delay"}, {**fault, "times": 1, "action": "dropAfter"}])
    )
    upload([BIG], PLACE, access)
    assert written(emulator) == [f"team-bucket/{PLACE.object_name(BIG)}"]
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warning.endswith("; trying again in 1 s")


def test_who_may_write_but_not_look_uploads_all_the_same(access: Access, emulator: Emulator) -> None:
    deny(emulator, "storage.objects.get", "storage.objects.list", "storage.buckets.get")
    upload([SMALL], PLACE, access)
    assert len(written(emulator)) == 1


def refused(access: Access) -> Failure:
    with pytest.raises(Failure) as caught:
        upload([SMALL], PLACE, access)
    return caught.value


def test_who_may_not_look_cannot_take_what_is_there_for_their_own(access: Access, emulator: Emulator) -> None:
    upload([SMALL], PLACE, access)
    deny(emulator, "storage.objects.get")
    assert "storage.objects.get access" in str(refused(access))
    assert len(written(emulator)) == 1


@pytest.mark.parametrize("content", [b"another", b"a packagf", b""])
def test_other_content_under_the_name_is_never_run(
    content: bytes, access: Access, emulator: Emulator
) -> None:
    emulator.storage.write("team-bucket", PLACE.object_name(SMALL), {}, content, Conditions())
    failure = refused(access)
    assert failure.exit_code == 1
    assert str(failure) == (
        f"{PLACE.uri(SMALL)}: is there with other content, which the job would run; "
        "find out who writes to gs://team-bucket, delete it, and submit again"
    )


def test_a_bucket_that_there_is_not(access: Access, emulator: Emulator) -> None:
    emulator.storage.drop_bucket("team-bucket")
    failure = refused(access)
    assert failure.exit_code == 1
    assert str(failure) == (
        "gs://team-bucket: The specified bucket does not exist; make it by "
        "`gcloud storage buckets create gs://team-bucket`, or name another --staging-bucket"
    )


def test_a_permission_that_is_missing(access: Access, emulator: Emulator) -> None:
    deny(emulator, "storage.objects.create")
    failure = refused(access)
    assert failure.exit_code == 2
    assert str(failure) == (
        "gs://team-bucket: Caller does not have storage.objects.create access to the Google Cloud Storage "
        "object. Permission 'storage.objects.create' denied on resource (or it may not exist); your own "
        "credentials need storage.objects.create and storage.objects.get there; an owner grants them by `"
        "gcloud storage buckets add-iam-policy-binding gs://team-bucket --member=user:EMAIL "
        "--role=roles/storage.objectUser`"
    )


def test_a_service_that_is_away(access: Access, emulator: Emulator) -> None:
    emulator.faults.add(read_bodies(Fault, {"method": GET, "action": "error", "status": 503}))
    failure = refused(access)
    assert failure.exit_code == 2
    assert str(failure) == "gs://team-bucket: The service is currently unavailable; try again later"
    assert not written(emulator)


def test_credentials_are_needed_for_google_itself(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, access: Access
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    failure = refused(Access(access.endpoint))
    assert failure.exit_code == 2
    assert "storage.objects.get was not sent: no Google credentials" in str(failure)
    assert "gcloud auth application-default login" in str(failure)


def test_an_endpoint_that_would_show_credentials_to_the_network() -> None:
    failure = refused(Access("http://storage.example.com"))
    assert failure.exit_code == 2
    assert str(failure).startswith("endpoint: 'http://storage.example.com' would carry credentials")
