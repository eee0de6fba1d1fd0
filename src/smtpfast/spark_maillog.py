"""Mail logs as a data source of Spark: `spark.read.format("maillog")`, see `smtpfast.spark`."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
from pyarrow.fs import (
    FileSelector,
    FileSystem,
    FileType,
    FSSpecHandler,
    LocalFileSystem,
    PyFileSystem,
)
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import (
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
)

from . import arrow
from ._core import BACKEND
from .compression import LONGEST_MAGIC, compression_of, decompressed
from .errors import SmtpFastError
from .log_record import LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .reply import Buffer

# As much is read at once, and of a line that is longer the rest is left out: it is no line of a
# log, and memory has a bound.
_BLOCK_BYTES: Final = 4 << 20
_SPLIT_BYTES: Final = 128 << 20
# Beyond the end of any file.
_NO_END: Final = 1 << 63
# So many places of a large file are looked at for their stamps, of so many octets each.
_SAMPLES: Final = 1 << 8
_SAMPLE_BYTES: Final = 1 << 12
# All others are texts.
_TYPES: Final = {
    "time": TimestampNTZType(),
    "time_is_local": BooleanType(),
    "relay_port": IntegerType(),
    "delay": DoubleType(),
    "code": ShortType(),
    "retry_after": IntegerType(),
    "line": LongType(),
}
_SCHEMA: Final = StructType(
    [StructField(name, _TYPES.get(name, StringType())) for name in LogRecord._fields]
)
# What takes asking for reasons.
_OF_REASONS: Final = frozenset({"reason", "disposition", "retry_after", "blocklist", "provider"})


def check_core(*, is_compiled_required: bool) -> None:
    """Whether this process runs the core that is wanted; if not, a `SmtpFastError` says what to do.

    To be called where the work is done, by its name: what `BACKEND` is there, the driver's own
    does not say.
    """
    if is_compiled_required and BACKEND != "compiled":
        raise SmtpFastError(
            "this executor runs the pure core of smtpfast, which is slow: put the compiled wheel"
            " into its image, or ship it unpacked by spark.archives (--py-files cannot load a"
            " compiled module); or take it as it is by require_compiled=False, of a data source"
            " by the option requireCompiled=false"
        )


class MailLog(DataSource):
    """The records of mail logs; what options and columns there are, `smtpfast.spark` says."""

    _is_compiled_required = True

    @classmethod
    def name(cls) -> str:
        """What `format` takes."""
        return "maillog"

    def schema(self) -> StructType:
        """All columns of `LogRecord`."""
        return _SCHEMA

    def reader(self, schema: StructType) -> LogSplits:
        """What reads the columns of the schema, which may be some of ours in any order."""
        for field in schema.fields:
            if field not in _SCHEMA.fields:
                known = ", ".join(each.simpleString() for each in _SCHEMA.fields)
                raise SmtpFastError(f"no column {field.simpleString()}: there are {known}")
        year = self.options.get("year")
        names = tuple(schema.fieldNames())
        return LogSplits(
            self._paths(),
            names,
            split_bytes=self._number("splitBytes", _SPLIT_BYTES, least=1),
            year=None if year is None else self._number("year", 0, least=1),
            is_diagnosed=self._is("diagnose", is_default=True)
            and not _OF_REASONS.isdisjoint(names),
            is_compiled_required=self._is("requireCompiled", is_default=self._is_compiled_required),
        )

    def _paths(self) -> tuple[str, ...]:
        # Spark's own names for what `load` was given.
        paths = json.loads(self.options.get("paths", "[]"))
        if "path" in self.options:
            paths.append(self.options["path"])
        if not paths:
            raise SmtpFastError("which logs? load(path) says it, or the option path")
        return tuple(paths)

    def _number(self, option: str, default: int, *, least: int) -> int:
        written = self.options.get(option, str(default))
        if not written.isdecimal() or int(written) < least:
            raise SmtpFastError(f"{option}={written!r}: expected a number, {least} or more")
        return int(written)

    def _is(self, option: str, *, is_default: bool) -> bool:
        written = self.options.get(option, str(is_default)).lower()
        if written not in ("true", "false"):
            raise SmtpFastError(f"{option}={written!r}: expected true or false")
        return written == "true"


class MailLogOnAnyCore(MailLog):
    """The same, on executors with the pure core too."""

    _is_compiled_required = False


@dataclass(frozen=True)
class Split(InputPartition):
    """The lines of a file that begin at an octet from `start` to before `end`.

    name: of the file, as the records tell it; path: as its filesystem does. size: in octets, and
    written: when last, if that is known; both when the splits were made.
    """

    filesystem: Any
    path: str
    name: str
    start: int
    end: int
    size: int
    written: date | None

    @property
    def is_whole(self) -> bool:
        """Whether it is the only one of its file."""
        return self.end - self.start == self.size


@dataclass(frozen=True)
class LogSplits(DataSourceReader):
    """Makes the splits of files, and reads one."""

    paths: tuple[str, ...]
    names: tuple[str, ...]
    split_bytes: int = _SPLIT_BYTES
    year: int | None = None
    is_diagnosed: bool = True
    is_compiled_required: bool = True

    def partitions(self) -> list[InputPartition]:
        """The splits of all files, none of an empty one."""
        files = {file.name: file for path in self.paths for file in _files(path)}
        return [split for file in files.values() for split in _splits(file, self.split_bytes)]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """The records of a split as record batches, one a block of lines."""
        check_core(is_compiled_required=self.is_compiled_required)
        if not isinstance(partition, Split):
            return  # Spark's own, where there are no splits
        try:
            yield from self._batches(partition)
        except Exception as error:
            error.add_note(f"in {partition.name}, from octet {partition.start}")
            raise

    def _batches(self, split: Split) -> Iterator[Any]:
        # Not above: it loads the rules, which fails from a zip file before the core is checked.
        from .logs import LogReader

        is_year_known = self.year is not None or split.written is not None
        reader = LogReader(
            split.name,
            year=partial(_year_of, split, self.year) if is_year_known else None,
            diagnose=self.is_diagnosed,
        )
        for block in _blocks_of(split):
            columns = reader.columns([reader.join(reader.begin(block))])
            if not len(columns):
                continue
            batch = pa.record_batch(arrow.records(columns, self.names))
            arrays = [
                pa.nulls(len(columns), pa.int64())
                if name == "line" and not split.is_whole
                else _without_dictionary(column)
                for name, column in zip(self.names, batch.columns, strict=True)
            ]
            yield pa.record_batch(arrays, [*self.names])


def _without_dictionary(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


# --- Which files there are ------------------------------------------------------------------


def _files(path: str) -> Iterator[Split]:
    """Each file that a path stands for, as one split; that there is none is an `OSError`."""
    given = path.rstrip("/") or path
    filesystem, inner = _filesystem(given)
    before = given.removesuffix(inner) if given.endswith(inner) else ""
    info = filesystem.get_file_info(inner)
    found = [info] if info.type != FileType.NotFound else _matching(filesystem, inner)
    if not found:
        raise FileNotFoundError(f"{path}: no such file")
    for each in found:
        for file in _listed(filesystem, each.path) if each.type == FileType.Directory else (each,):
            if file.type != FileType.File:
                continue
            name, size = before + file.path, file.size
            if size is None:
                raise OSError(f"{name}: its size is not known")
            yield Split(filesystem, file.path, name, 0, size, size, _written(filesystem, file))


def _filesystem(path: str) -> tuple[Any, str]:
    """Where a path leads, and what it is called there."""
    if "://" not in path:
        return LocalFileSystem(), Path(path).absolute().as_posix()
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        filesystem, inner = FileSystem.from_uri(path)
    else:
        found, inner = url_to_fs(path)
        filesystem = PyFileSystem(FSSpecHandler(found))
    return filesystem, inner


def _listed(filesystem: Any, folder: str) -> list[Any]:
    """What is in a folder, but for what is hidden, as Spark sees it."""
    found = filesystem.get_file_info(FileSelector(folder, allow_not_found=True))
    shown = (each for each in found if not each.base_name.startswith((".", "_")))
    return sorted(shown, key=lambda each: str(each.path))


def _matching(filesystem: Any, pattern: str) -> list[Any]:
    """What there is by a pattern of the shell's, whose `*` stands for no `/`."""
    first, *parts = pattern.split("/")
    paths = [first]
    for part in parts:
        if any(mark in part for mark in "*?["):
            listed = chain.from_iterable(_listed(filesystem, path) for path in paths)
            paths = [each.path for each in listed if fnmatchcase(each.base_name, part)]
        else:
            paths = [f"{path}/{part}" for path in paths]
    return [each for each in filesystem.get_file_info(paths) if each.type != FileType.NotFound]


def _written(filesystem: Any, file: Any) -> date | None:
    """When a file was last written; None, if its file system does not know."""
    time = file.mtime
    if time is None and isinstance(filesystem, PyFileSystem):
        try:
            time = filesystem.handler.fs.modified(file.path)
        except NotImplementedError:
            return None
    written: date | None = time and time.astimezone().date()
    return written


# --- Splits and what is in them -------------------------------------------------------------


def _splits(file: Split, split_bytes: int) -> Iterator[Split]:
    """A file in splits, unless it can only be read from its beginning."""
    if file.size > split_bytes:
        begin = _piece(file, 0, _SAMPLE_BYTES)
        if not compression_of(begin) and not _is_header(begin):
            for start in range(0, file.size, split_bytes):
                yield replace(file, start=start, end=min(start + split_bytes, file.size))
            return
    if file.size:
        yield file


def _is_header(begin: bytes) -> bool:
    """Whether the first line is one of PowerMTA or Exchange, whose rows mean nothing without it."""
    from .logs.exchange import Exchange  # not above, as the reader of logs
    from .logs.powermta import PowerMta

    line = str(begin.partition(b"\n")[0], "utf-8", "replace")
    return PowerMta().knows("", line) or Exchange().knows("", line)


def _piece(file: Split, start: int, length: int) -> bytes:
    """Some octets, and no more of the file than those."""
    if isinstance(file.filesystem, PyFileSystem):
        # A file that is opened may read megabytes ahead.
        piece = file.filesystem.handler.fs.cat_file(file.path, start=start, end=start + length)
    else:
        with file.filesystem.open_input_file(file.path) as opened:
            piece = opened.read_at(length, start)
    return bytes(piece)


def _blocks_of(split: Split) -> Iterator[Buffer]:
    """The lines of a split."""
    with ExitStack() as opened:
        source = opened.enter_context(split.filesystem.open_input_file(split.path))
        kind = compression_of(source.read(LONGEST_MAGIC)) if split.is_whole else ""
        source.seek(0)
        if kind:
            yield from lines_between(opened.enter_context(closing(decompressed(source, kind))), 0)
        else:
            yield from lines_between(source, split.start, split.end)


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def seek(self, position: int, /) -> object: ...


def lines_between(source: _Source, start: int, end: int = _NO_END) -> Iterator[Buffer]:
    """Blocks of the whole lines that begin at an octet from `start` to before `end`.

    A line ends with LF, or with the file. So what comes out of a split ends with the first LF that
    is at `end - 1` or behind it, and the next split begins there.
    """
    position = max(start - 1, 0)
    if position:  # what is compressed cannot go anywhere
        source.seek(position)
    # Whether what comes next, up to an LF, is to be left out.
    is_left_out = start > 0
    # Of a line that began before `end`, and whose own end has not come.
    waiting = b""
    while data := source.read(_BLOCK_BYTES):
        begin = 0
        if is_left_out:
            begin = data.find(b"\n") + 1
            if position + (begin or len(data)) >= end:
                return
            is_left_out = not begin
        stop = data.find(b"\n", max(begin, end - 1 - position)) + 1
        is_end = stop > 0
        stop = stop or data.rfind(b"\n", begin) + 1
        if is_left_out:
            pass
        elif not stop:
            waiting += data[begin:]
            if len(waiting) > _BLOCK_BYTES:
                yield waiting[:_BLOCK_BYTES] + b"\n"
                waiting = b""
                is_left_out = True
        else:
            first = data.find(b"\n", begin)
            if len(waiting) + first - begin > _BLOCK_BYTES:
                waiting = (waiting + data[begin:first])[:_BLOCK_BYTES]
                begin = first
            yield b"".join((waiting, memoryview(data)[begin:stop]))
            if is_end:
                return
            waiting = data[stop:]
        position += len(data)
    if waiting:
        yield waiting


# --- The year -------------------------------------------------------------------------------


def _year_of(split: Split, given: int | None) -> int:
    """The year of the first stamp of a split that names none; given: of the first one of the file.

    By the size and the time that the file had when the splits were made, so each try of a task
    finds the same.
    """
    from .logs import first_year  # as above

    if given is not None and not split.start:
        return given
    # Where only a difference is wanted, any end is as good.
    end = split.written or date(2000, 1, 1)
    year = first_year(_stamped_lines(split, split.start), end)
    if given is None:
        return year
    return given + year - first_year(_stamped_lines(split, 0), end)


def _stamped_lines(split: Split, start: int) -> Iterator[str]:
    """The lines from `start` to the end of the file, of a large plain one some."""
    blocks: Iterable[Buffer] = _blocks_of(replace(split, start=start, end=split.size))
    if split.size - start > _BLOCK_BYTES and not compression_of(_piece(split, 0, LONGEST_MAGIC)):
        blocks = chain(islice(blocks, 1), _samples(split, start + _BLOCK_BYTES))
    for block in blocks:
        yield from str(block, "utf-8", "replace").split("\n")


def _samples(split: Split, start: int) -> Iterator[bytes]:
    """Whole lines from places all over a file, for each split the same ones."""
    for number in range(_SAMPLES):
        position = split.size * number // _SAMPLES
        if position >= start:
            piece = _piece(split, position, _SAMPLE_BYTES)
            yield piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1]
