"""A folder of playbooks as one set: what is left out, and why (A07)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from soar.ingest.match import Matcher
from soar.playbook import load_catalog, load_files, playbook_files
from soar.testing.stage import given_alert
from tests.unit.playbook.reading import ACTIONS, HEAD, refused_steps, told, written

GOOD = HEAD + "steps: [{stop: a}]\n"


def named(name: str) -> str:
    return GOOD.replace("under-test", name)


def said(folder: Path) -> list[str]:
    """Every problem of a folder, without the folder's own name."""
    return [str(problem).replace(f"{folder}{os.sep}", "") for problem in load_catalog(folder, ACTIONS).problems]


def test_a07_two_files_with_one_id_are_both_left_out_and_each_names_both(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a.yaml": named("same"), "b/c.yml": named("same"), "d.yaml": named("other")}
    folder = written(tmp_path, files)
    assert list(load_catalog(folder, ACTIONS).playbooks) == ["other"]
    assert said(folder) == [
        "a.yaml:1:5: the id 'same' is taken twice: a.yaml and b/c.yml; give each playbook an id of its own",
        "b/c.yml:1:5: the id 'same' is taken twice: a.yaml and b/c.yml; give each playbook an id of its own",
    ]


def test_a07_an_id_thrice_names_all_three(tmp_path: Path) -> None:
    folder = written(tmp_path, {f"{name}.yaml": named("same") for name in "abc"})
    assert len(said(folder)) == 3 and all("a.yaml and " in line and "c.yaml" in line for line in said(folder))


def test_a07_two_playbooks_with_one_trigger_both_fire_in_order_of_their_ids(tmp_path: Path) -> None:
    """Documented: every playbook whose trigger holds runs; none is picked."""
    folder = written(tmp_path, {"1.yaml": named("zulu"), "2.yaml": named("alfa")})
    matcher = Matcher(load_catalog(folder, ACTIONS).playbooks.values())
    matches = matcher.match(given_alert("a", {"severity": "high"}))
    assert [(match.playbook_id, match.outcome) for match in matches] == [("alfa", "matched"), ("zulu", "matched")]


def test_a_broken_playbook_is_left_out_and_the_others_run(tmp_path: Path) -> None:
    folder = written(tmp_path, {"a.yaml": named("a") + "nmae: x\n", "b.yaml": named("b")})
    assert list(load_catalog(folder, ACTIONS).playbooks) == ["b"]
    assert said(folder) == ["a.yaml:4:1: the playbook has no key 'nmae'; did you mean 'name'?"]


def test_a_warning_leaves_nothing_out(tmp_path: Path) -> None:
    text = "id: a\ntrigger: {source: other, match: {any: {severity|exists: true}}}\nsteps: [{stop: a}]\n"
    catalog = load_catalog(written(tmp_path, {"a.yaml": text}), ACTIONS, ["siem"])
    assert list(catalog.playbooks) == ["a"]
    assert [problem.severity for problem in catalog.problems] == ["warning"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"id: a\nname: caf\xe9\n", "p.yaml:2:10: the byte 0xE9 is no UTF-8; save it as UTF-8 text"),
        ("id: é\nname: caf".encode() + b"\xff", "p.yaml:2:10: the byte 0xFF is no UTF-8; save it as UTF-8 text"),
        (GOOD.encode("utf-16"), "p.yaml:1:1: the byte 0xFF is no UTF-8; save it as UTF-8 text"),
        (b"", "p.yaml:1:1: the file is empty; write at least id, trigger and steps"),
        ("# é".encode() + b"x" * 5_000_000, "p.yaml:1:1: the file is larger than 1,048,576 characters; split it"),
        ("é".encode() * 3_000_000, "p.yaml:1:1: the file is larger than 1,048,576 characters; split it"),
        (b"x" + "é".encode() * 3_000_000, "p.yaml:1:1: the file is larger than 1,048,576 characters; split it"),
    ],
    ids=["latin 1", "broken end", "utf-16", "empty", "5 MB", "6 MB", "6 MB, cut inside a character"],
)
def test_a_file_that_is_no_utf_8_text_says_where(tmp_path: Path, content: bytes, problem: str) -> None:
    assert said(written(tmp_path, {"p.yaml": content})) == [problem]


def test_what_cannot_be_read_is_told_and_no_error(tmp_path: Path) -> None:
    folder = written(tmp_path, {"a.yaml/inner.txt": "", "b.yaml": named("b")})
    (folder / "c.yaml").symlink_to(folder / "nowhere")
    assert list(load_catalog(folder, ACTIONS).playbooks) == ["b"]
    assert said(folder) == [
        "a.yaml:1:1: cannot be read: Is a directory; make it a readable file",
        "c.yaml:1:1: cannot be read: No such file or directory; make it a readable file",
    ]


def test_tests_beside_playbooks_are_no_playbooks(tmp_path: Path) -> None:
    folder = written(tmp_path, {"a.yaml": named("a"), "a.test.yaml": "x", "a.test.yml": "x", "b.md": "x"})
    assert said(folder) == [] and list(load_catalog(folder, ACTIONS).playbooks) == ["a"]


def test_no_folder_is_an_empty_set(tmp_path: Path) -> None:
    catalog = load_catalog(tmp_path / "none", ACTIONS)
    assert (dict(catalog.playbooks), catalog.problems) == ({}, ())


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_digest_is_that_of_the_file_s_bytes(tmp_path: Path, ends: str) -> None:
    content = GOOD.replace("\n", ends).encode()
    (found,) = load_catalog(written(tmp_path, {"a.yaml": content}), ACTIONS).playbooks.values()
    assert found.digest == hashlib.sha256(content).hexdigest()


def test_the_digest_of_the_set_changes_with_any_of_its_playbooks(tmp_path: Path) -> None:
    folder = written(tmp_path, {"a.yaml": named("a"), "b.yaml": named("b")})
    before = load_catalog(folder, ACTIONS).digest
    assert load_catalog(folder, ACTIONS).digest == before
    written(folder, {"b.yaml": named("b") + "# changed\n"})
    assert load_catalog(folder, ACTIONS).digest != before


def test_what_was_not_asked_for_may_be_called_when_all_of_it_could_be_read(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a.yaml": named("a"), "b.yaml": named("b"), "c.yaml": named("c") + "nope: 1\n"}
    folder = written(tmp_path, files)
    catalog = load_files([folder / "a.yaml"], ACTIONS, others=playbook_files(folder))
    assert (list(catalog.playbooks), list(catalog.beside), catalog.problems) == (["a"], ["b"], ())


def test_s15_playbooks_that_call_each_other_in_a_circle_are_refused_with_the_way_round(tmp_path: Path) -> None:
    def calls(name: str, other: str) -> str:
        return f"id: {name}\ntrigger: {{}}\nsteps: [{{id: c, playbook: {other}}}]\n"

    files: dict[str, str | bytes] = {"a.yaml": calls("a", "b"), "b.yaml": calls("b", "a"), "c.yaml": calls("c", "c")}
    folder = written(tmp_path, files)
    assert load_catalog(folder, ACTIONS).playbooks == {}
    assert [line.partition("end: ")[2].partition(";")[0] for line in said(folder)] == [
        "a -> b -> a",
        "b -> a -> b",
        "c -> c",
    ]


def test_s15_which_playbook_is_called_is_no_expression() -> None:
    (found,) = told(refused_steps("- {id: c, playbook: '{{ alert.title }}'}\n"))
    assert "the id of a sub-playbook is written out, never made by a template" in found
