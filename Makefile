# demo: the notes blueprint, running · test: every test · check: format, lints · bench: side by side
.PHONY: demo test check bench setup-demo setup-test
BLUEPRINT ?= blueprints/2-cloud-native-notes

demo: setup-demo
	cargo build --release --locked --no-default-features -p neargate -p notes
	target/release/neargate up --detach --no-build -f $(BLUEPRINT)/neargate.toml

test: setup-test
	cargo test --workspace --locked

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

bench: setup-test
	bench/run

setup-demo:
	@scripts/setup demo

setup-test:
	@scripts/setup test
