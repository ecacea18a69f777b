# demo: the notes blueprint, running · test: every test · check: format, lints, links of the docs · bench: side by side
# nightly: the large programs of others · cases: every run.sh of the folder NEARGATE_CASES
.PHONY: demo test check bench nightly cases setup-demo setup-check setup-test
BLUEPRINT ?= blueprints/2-cloud-native-notes

demo: setup-demo
	cargo build --release --locked --no-default-features -p neargate -p notes
	target/release/neargate up --detach --no-build -f $(BLUEPRINT)/neargate.toml

test: setup-test
	cargo test --workspace --locked

check: setup-check
	cargo fmt --all --check
	scripts/check-shell
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D rustdoc::broken_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --locked

bench: setup-test
	bench/run

nightly: setup-test
	cargo check --locked --manifest-path fuzz/Cargo.toml
	cargo build --locked --no-default-features -p neargate --examples
	NEARGATE_NIGHTLY=1 cargo test --locked --no-default-features -p neargate --test e2e programs -- --test-threads=1 --nocapture

cases: setup-test
	cargo build --locked --no-default-features -p neargate
	scripts/cases

setup-demo:
	@scripts/setup demo

setup-check:
	@scripts/setup check

setup-test:
	@scripts/setup test
