.venv/ready: requirements/dev.txt pyproject.toml
	python3 -m venv .venv
	.venv/bin/pip install -q --require-hashes -r requirements/dev.txt
	.venv/bin/pip install -q --no-deps --no-build-isolation -e .
	touch .venv/ready
