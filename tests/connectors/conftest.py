"""The contract's asserts are explained like those of any test."""

import pytest

pytest.register_assert_rewrite("tests.connectors.contract", "tests.connectors.faults")
