"""The docs against the code: generated blocks, links, code blocks, docstrings, and the house style's figures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
import typer

from outlive.settings import PREFIX, Settings
from scripts.docs.cli import help_of, program, sections_of
from scripts.docs.compaction import LIMITS, amplification, least
from scripts.docs.console_blocks import console_page, run_page
from scripts.docs.decisions import SECTIONS, records, status_of
from scripts.docs.decisions import sections_of as sections_of_record
from scripts.docs.errors import DrawnWrong, drawn_tree, errors
from scripts.docs.module_map import module_map
from scripts.docs.pages import all_pages, anchors_of, blocks_of, dead_links, fences_of, links_of
from scripts.docs.promises import UnknownPromise, promises
from scripts.docs.python_blocks import PythonBlock, python_blocks, run_blocks
from scripts.docs.sentences import has_first_line, is_command, is_one_sentence
from scripts.docs.settings import settings, variable_of
from scripts.docs.sources import Measured, each_test, files_of_tests, functions_of, protocols_of, read_source, sources
from scripts.docs.sources import TestFunction as Stated  # pytest would collect the name it has there
from scripts.docs.translation import FIX, differences
from scripts.generate_docs import GENERATORS, main

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "outlive"
PAGE = ROOT / "docs" / "reference" / "settings.md"
TRANSLATED = ROOT / "README.zh-CN.md"
"""Its code is that of README.md."""
PAGE_NAME = re.compile(r"\bdocs/[\w/-]+\.md\b")
OUTLIVE_COMMAND = re.compile(r"^\$ (outlive\b.*)$", re.MULTILINE)
SETTING_NAME = re.compile(r"\bOUTLIVE_(?!CLI_)[A-Z_]*[A-Z]\b")
MAKE_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
MAKE_COMMAND = re.compile(r"(?:`|^(?:\$ )?)make ([a-z-]+)", re.MULTILINE)
MODULE_LIMIT = 400
FUNCTION_LIMIT = 60
PROTOCOL_LIMIT = 10


# -------------------------------------------------------------------------------------- generated blocks


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one page that has a stale block, between text of its own."""
    (tmp_path / "docs").mkdir()
    page(tmp_path).write_text("before\n<!-- generated: settings -->\nold\n<!-- end generated: settings -->\nafter\n")
    return tmp_path


def page(project: Path) -> Path:
    """The page of that project."""
    return project / "docs" / "page.md"


def test_a_stale_block_is_named_with_its_fix(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` exits 1, names page and block and the command that helps, and writes nothing."""
    before = page(project).read_text()
    assert main(["--check"], project) == 1
    assert capsys.readouterr().err == "docs/page.md: block settings is stale\nRun: make docs\n"
    assert page(project).read_text() == before


def test_writing_makes_a_block_current(project: Path) -> None:
    """After a run without `--check` the check passes, and a second run changes nothing."""
    assert main([], project) == 0
    written = page(project).read_text()
    assert main(["--check"], project) == 0
    assert main([], project) == 0
    assert page(project).read_text() == written


def test_text_outside_the_markers_stays(project: Path) -> None:
    """Only what lies between a block's markers is replaced."""
    main([], project)
    lines = page(project).read_text().split("\n")
    assert (lines[0], lines[-2:]) == ("before", ["after", ""])
    assert "old" not in lines


def test_the_checker_runs_as_a_script() -> None:
    """The file that the Makefile calls starts from any folder and explains itself."""
    script = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--help"]
    done = subprocess.run(script, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--check" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "<!-- generated: nonsense -->\n<!-- end generated: nonsense -->\n",
        "<!-- generated: settings -->\n",
        "<!-- end generated: settings -->\n",
        "<!-- generated: settings -->\n<!-- generated: errors -->\n<!-- end generated: errors -->\n",
    ],
    ids=["unknown generator", "never closed", "never opened", "nested"],
)
def test_a_broken_page_is_refused(project: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Markers that have no partner or no generator are an error that names the page, and nothing is written."""
    page(project).write_text(text)
    assert main([], project) == 1
    assert "page.md" in capsys.readouterr().err
    assert page(project).read_text() == text


def test_a_marker_inside_a_code_fence_is_an_example() -> None:
    """Markers in a fenced block are no markers."""
    assert blocks_of("```html\n<!-- generated: settings -->\n```\n") == []


# --------------------------------------------------------------------------------------------- generators


def test_every_setting_is_in_the_table() -> None:
    """Each field of `Settings` has a row with its variable and a description, and no default of this machine."""
    table = settings(ROOT, PAGE)
    rows = {row.split("`")[1]: row for row in table.split("\n")[2:]}
    assert list(rows) == [variable_of(name, field) for name, field in Settings.model_fields.items()]
    assert all(row.rstrip("| ").endswith(".") for row in rows.values())
    assert str(Path.home()) not in table
    assert f"{PREFIX}DATA" in rows


def test_every_error_is_in_the_table() -> None:
    """Each class of errors.py has a row with an HTTP code and an exit code; the root alone has none."""
    rows = [row.split(" | ") for row in errors(ROOT, PAGE).split("\n")[3:]]
    assert all(re.fullmatch(r"\d{3}(/\d{3})*", row[-2]) and row[-1].startswith(("1", "2", "3")) for row in rows)


def test_a_tree_drawn_wrong_is_refused(tmp_path: Path) -> None:
    """A class that the docstring draws below another parent, or not at all, is named."""
    path = tmp_path / "src" / "outlive" / "errors.py"
    path.parent.mkdir(parents=True)
    path.write_text('"""E.\n\n    OutliveError\n    └── A   fix it   400 · exit 2\n"""\nclass A(ValueError): ...\n')
    with pytest.raises(DrawnWrong, match="A, OutliveError"):
        errors(tmp_path, PAGE)


def test_an_error_has_the_codes_of_its_parent() -> None:
    """A line of the tree without codes of its own shows those of the line above it."""
    tree = list(drawn_tree("    OutliveError\n    └── A   fix it   409/412 · exit 1\n        └── B\n\nText."))
    assert [(error.name, error.parent, error.http, error.exit) for error in tree[1:]] == [
        ("A", "OutliveError", "409/412", "1"),
        ("B", "A", "409/412", "1"),
    ]


def test_every_module_is_on_the_map() -> None:
    """The module map links each file of the package, or its folder."""
    links = [(PAGE.parent / link).resolve() for link in links_of(module_map(ROOT, PAGE))]
    files = {path.parent if path.name == "__init__.py" else path for path in PACKAGE.rglob("*.py")}
    assert sorted(links) == sorted(files - {PACKAGE})


def test_every_command_is_in_the_reference() -> None:
    """A program's commands, those of groups too, have a section each; hidden ones have none."""
    app, group = typer.Typer(), typer.Typer(help="Many.")
    app.command("one", help="First.")(lambda: None)
    app.command("dark", hidden=True)(lambda: None)
    group.command("two", help="Second.")(lambda: None)
    app.add_typer(group, name="many")
    sections = list(sections_of(app, "prog"))
    names = ["prog", "prog one", "prog many", "prog many two"]
    assert [section.split("`")[1] for section in sections] == names
    assert "Second." in sections[-1]


MARKED = '''
@pytest.mark.promise("P4", "P5")
class TestLease:
    @promise("{}")
    def test_a(self):
        """A holds."""
'''


def test_a_test_is_listed_under_each_promise_it_is_marked_with(tmp_path: Path) -> None:
    """Marks of a test and of its class count, by whatever name the mark was imported."""
    found = marked(tmp_path, "P1")
    assert [line for line in found.split("\n") if line.startswith("### ")] == [
        "### Tests of P1",
        "### Tests of P4",
        "### Tests of P5",
    ]
    assert found.count("`TestLease.test_a` | A holds. |") == 3


def test_a_promise_without_tests_is_shown_as_open(tmp_path: Path) -> None:
    """A promise that no test is marked with stands in the table as not yet kept."""
    open_ones = [line.split(" | ")[0] for line in marked(tmp_path, "P1").split("\n") if "not yet" in line]
    assert open_ones == [f"| P{number}" for number in range(1, 14) if number not in (1, 4, 5)]


def test_an_unknown_promise_is_refused(tmp_path: Path) -> None:
    """A mark that names no promise is an error that names the test."""
    with pytest.raises(UnknownPromise, match=r"TestLease\.test_a is marked with 'P99'"):
        marked(tmp_path, "P99")


def marked(project: Path, promise: str) -> str:
    """The promise table of a project with one marked test."""
    (project / "tests").mkdir()
    (project / "tests" / "test_lease.py").write_text(MARKED.format(promise))
    return promises(project, project / "docs" / "page.md")


@pytest.mark.parametrize("limit", LIMITS)
def test_compaction_stays_near_the_least_possible(limit: int) -> None:
    """Over 1,000 equal turns the rule writes at least what is necessary and at most twice that."""
    measured = amplification(limit, (1000,))[1000]
    assert least(limit, 1000) <= measured <= 2 * least(limit, 1000)


# ----------------------------------------------------------------------------------------- pages and links


def test_every_link_leads_somewhere() -> None:
    """Each link between the project's pages leads to a file that is there, and to a heading in it."""
    dead = {str(path.relative_to(ROOT)): dead_links(path) for path in all_pages(ROOT)}
    assert {path: links for path, links in dead.items() if links} == {}


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are found; the web, code and a heading that is there are not."""
    (tmp_path / "b.md").write_text("# A `b`, c\n")
    path = tmp_path / "a.md"
    path.write_text("[1](b.md#a-b-c) [2](b.md#d) [3](c.md) [4](https://e.f/g) `[5](h.md)`\n\n```\n[6](i.md)\n```\n")
    assert dead_links(path) == ["b.md#d", "c.md"]


def test_repeated_headings_have_numbered_anchors() -> None:
    """The second of two equal headings is reached with `-1`, as on GitHub."""
    assert anchors_of("## Same\n\n## Same\n") == {"same", "same-1"}


def test_every_make_target_that_is_named_exists() -> None:
    """Each `make x` in code of a page is a target of the Makefile."""
    targets = set(MAKE_TARGET.findall((ROOT / "Makefile").read_text()))
    named = {name for path in all_pages(ROOT) for name in MAKE_COMMAND.findall(path.read_text())}
    assert named <= targets


def test_every_page_that_the_code_names_exists() -> None:
    """Each `docs/….md` in a source of the package, in a message or a docstring, is a page."""
    named = {name for source in sources(PACKAGE, ROOT / "bench") for name in PAGE_NAME.findall(source.text)}
    missing = sorted(name for name in named if not (ROOT / name).is_file())
    assert not missing, "\n".join(missing)


def test_every_setting_that_is_named_exists() -> None:
    """Each `OUTLIVE_…` that a page or a message of the package tells people to set is one that is taken."""
    known = {variable_of(name, field) for name, field in Settings.model_fields.items()}
    texts = [path.read_text() for path in all_pages(ROOT)] + [source.text for source in sources(PACKAGE)]
    named = {name for text in texts for name in SETTING_NAME.findall(text)}
    assert not sorted(named - known - {"OUTLIVE_CONFIG", "OUTLIVE_JSON"})


def test_every_command_that_is_shown_exists() -> None:
    """Each `$ outlive …` in a console block of a page is a command of the program."""
    app = program()
    known = {name for name, _ in help_of(app)} if app else set()
    shells = [fence for path in all_pages(ROOT) for fence in fences_of(path.read_text()) if fence.language == "console"]
    shown = {line for fence in shells for line in OUTLIVE_COMMAND.findall(fence.code)}
    wrong = sorted(line for line in shown if not is_command(line, known))
    assert not wrong, "\n".join(wrong)


def test_every_decision_says_what_a_decision_has_to() -> None:
    """Each decision record says its status, and then Context, Decision and Consequences."""
    wrong = [path.name for path in records(ROOT) if sections_of_record(path) != SECTIONS or not status_of(path)]
    assert not wrong, "\n".join(wrong)


# --------------------------------------------------------------------------------------------- translation


def test_the_chinese_readme_is_in_step() -> None:
    """README.zh-CN.md has the headings, the code, the table rows and the links of README.md, in its order."""
    found = differences((ROOT / "README.md").read_text(), TRANSLATED.read_text())
    assert not found, "\n".join([*found, FIX])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("## See it", "## Look", "heading missing in the translation: ## Look"),
        ("$ make demo\n", "$ make all\n", "code block differs at `$ make all` | `$ make demo`"),
        ("(docs/how-to/slack.md)", "(docs/how-to/irc.md)", "table row missing in the translation: docs/how-to/irc.md"),
        ("MIT licence", "[MIT](LICENSE)", "link missing in the translation: LICENSE"),
    ],
)
def test_what_a_translation_lacks_is_named(old: str, new: str, told: str) -> None:
    """A heading, a code block, a table row or a link that only the original has is told by its own words."""
    changed = (ROOT / "README.md").read_text().replace(old, new, 1)
    assert told in differences(changed, TRANSLATED.read_text())


# --------------------------------------------------------------------------------------------- code blocks


@pytest.mark.timeout(600)
def test_every_python_block_runs(tmp_path: Path) -> None:
    """Each Python block of the pages runs as a script without any key, unless the line above says why it is not run."""
    blocks = [block for path in all_pages(ROOT) if path != TRANSLATED for block in python_blocks(path)]
    failed = run_blocks(blocks, tmp_path)
    assert not failed, "\n".join(f"{place}\n{error}" for place, error in failed.items())


@pytest.mark.cli
@pytest.mark.timeout(300)
def test_every_console_block_runs(tmp_path: Path) -> None:
    """Each `outlive` command of a console block ends with exit 0, unless the page says why it is not run."""
    pages = [page for path in all_pages(ROOT) if path != TRANSLATED and (page := console_page(path))]
    failed = [line for page in pages for line in run_page(page, tmp_path)]
    assert not failed, "\n".join(failed)


def test_a_console_block_is_left_out_with_a_reason_only(tmp_path: Path) -> None:
    """A console block is run, behind what it needs first, unless a line above it or of the page gives a reason."""
    path = tmp_path / "page.md"
    path.write_text(
        "<!-- first: outlive a; outlive b -->\n```console\n$ outlive c\nsays\n```\n"
        "<!-- not run: needs a key -->\n```console\n$ outlive d\n```\n"
    )
    page = console_page(path)
    assert page is not None
    assert [command for _, command in page.commands] == ["outlive a", "outlive b", "outlive c"]
    path.write_text("<!-- console not run: needs a key -->\n" + path.read_text())
    assert console_page(path) is None


def test_a_command_that_fails_is_found_at_its_place(tmp_path: Path) -> None:
    """A failing command and one that is not ours are named with page, line and what to do."""
    path = tmp_path / "page.md"
    path.write_text("```console\n$ outlive cost --turns no\n$ pip list\n$ outlive --version\n```\n")
    page = console_page(path)
    assert page is not None
    wrong, foreign = run_page(page, tmp_path)
    assert wrong.startswith("page.md:2 `outlive cost --turns no` ended with exit 2")
    assert foreign.startswith("page.md:3 `pip list` is no `outlive` command")


def test_a_block_is_left_out_with_a_reason_only(tmp_path: Path) -> None:
    """A Python block is run unless the line above it gives a reason; blocks in other languages are not run."""
    path = tmp_path / "page.md"
    path.write_text(
        "```python\n1\n```\n<!-- not run: needs a key -->\n```python\n2\n```\n"
        "<!-- not run: -->\n```python\n3\n```\n```console\n$ 4\n```\n"
    )
    assert [(block.line, block.code) for block in python_blocks(path)] == [(2, "1\n"), (10, "3\n")]


def test_a_block_may_await_at_its_top(tmp_path: Path) -> None:
    """A block with a bare `await` runs to its end."""
    code = "import asyncio\nawait asyncio.sleep(0)\nopen('done', 'w').close()\n"
    assert run_blocks([PythonBlock("page.md", 7, code)], tmp_path) == {}
    assert len(list(tmp_path.glob("*/done"))) == 1


def test_a_block_that_fails_is_found_at_its_place_in_the_page(tmp_path: Path) -> None:
    """The error of a failing block names the page and the line there, and the blocks around it are run all the same."""
    code = "import os\nassert 'ANTHROPIC_API_KEY' in os.environ\n"
    after = PythonBlock("page.md", 20, "open('done', 'w').close()\n")
    ((place, error),) = run_blocks([PythonBlock("page.md", 7, code), after], tmp_path).items()
    assert (place, len(list(tmp_path.glob("*/done")))) == ("page.md:7", 1)
    assert 'File "page.md", line 8' in error
    assert "AssertionError" in error


# ------------------------------------------------------------------------------------ docstrings and figures


@pytest.fixture(scope="module")
def tests() -> list[Stated]:
    """Every test, those of the shipped suites too."""
    return [test for source in files_of_tests(ROOT) for test in each_test(source)]


def test_every_test_states_one_truth(tests: list[Stated]) -> None:
    """Each test, those of the shipped suites too, has a docstring of one sentence that does not start with Test."""
    wrong = [f"{test.path.relative_to(ROOT)}: {test.name}" for test in tests if not is_one_sentence(test.docstring)]
    assert not wrong, "\n".join(wrong)
    assert len(tests) > 100


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("The head is at version 2.", True),
        ("A body of 0.5 MB, cut in\ntwo, is `Corrupt`.", True),
        ("", False),
        ("No full stop", False),
        ("One. Two.", False),
        ("One.\n\nTwo.", False),
        ("Tests that it works.", False),
    ],
)
def test_one_sentence_is_told_from_none_and_from_two(docstring: str, expected: bool) -> None:
    """The rule for tests' docstrings accepts one sentence over any number of lines, and nothing else."""
    assert is_one_sentence(docstring) is expected


def test_every_module_says_in_one_line_what_it_holds() -> None:
    """Each module of package, scripts and benchmark starts with one line, and a blank one if more follows."""
    modules = [source for source in sources(PACKAGE, ROOT / "scripts", ROOT / "bench") if source.path.name[0] != "_"]
    wrong = [str(source.path) for source in modules if not has_first_line(source.docstring)]
    assert not wrong, "\n".join(wrong)


def test_packages_say_what_they_hold() -> None:
    """Each folder of the package has an `__init__.py` with a docstring."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    silent = [str(folder) for folder in folders if not docstring_of(folder / "__init__.py")]
    assert not silent, "\n".join(silent)


def docstring_of(path: Path) -> str:
    """A module's docstring; empty when there is no such file or it has none."""
    return read_source(path).docstring if path.exists() else ""


@pytest.fixture(scope="module")
def functions() -> list[Measured]:
    """Every function of the package, shortest first."""
    found = [function for source in sources(PACKAGE) for function in functions_of(source)]
    return sorted(found, key=lambda function: function.lines)


def test_most_functions_are_short(functions: list[Measured]) -> None:
    """The median function has 8 lines of code at most, and nine in ten have 25 at most, signatures included."""
    lengths = [function.lines for function in functions]
    assert (median(lengths) <= 8, lengths[len(lengths) * 9 // 10] <= 25) == (True, True)


def test_no_function_is_long(functions: list[Measured]) -> None:
    """No function has more than 60 lines of code."""
    long = [
        f"{each.path.relative_to(ROOT)}:{each.line} {each.name}" for each in functions if each.lines > FUNCTION_LIMIT
    ]
    assert not long, "\n".join(long)


def test_no_module_is_long() -> None:
    """No file of the package has more than 400 lines."""
    lengths = {str(source.path.relative_to(ROOT)): source.text.count("\n") for source in sources(PACKAGE)}
    assert {path: length for path, length in lengths.items() if length > MODULE_LIMIT} == {}


def test_protocols_are_small() -> None:
    """No protocol has more than ten methods."""
    sizes = protocols_of(read_source(PACKAGE / "protocols.py"))
    assert {name: size for name, size in sizes.items() if size > PROTOCOL_LIMIT} == {}
    assert {"Table", "Objects", "Queue", "Agent"} <= set(sizes)


def test_most_tests_are_short(tests: list[Stated]) -> None:
    """The median test, signature included, has 10 lines of code at most."""
    assert median(test.lines for test in tests) <= 10


def test_no_module_is_called_by_what_it_is_not() -> None:
    """No module of the package is a drawer: utils, helpers, common, manager or base."""
    drawers = {"utils", "helpers", "common", "manager", "base"}
    assert [path for path in PACKAGE.rglob("*.py") if path.stem.strip("_") in drawers] == []


def test_every_generator_is_used() -> None:
    """Each generator has a block in some page."""
    used = {block.name for path in all_pages(ROOT) for block in blocks_of(path.read_text())}
    assert used == set(GENERATORS)
