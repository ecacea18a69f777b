# demo: the notes blueprint, running · test: every test · check: format, lints, links of the docs · bench: side by side
# nightly: dependencies, more seeds, the large programs of others · cases: every run.sh of the folder NEARGATE_CASES
.PHONY: demo test check bench nightly cases setup-demo setup-check setup-test
# The profile of Cargo.toml that checks and tests are built with; CI: `ci`.
PROFILE ?= dev
BLUEPRINT ?= blueprints/2-cloud-native-notes

demo: setup-demo
	cargo build --release --locked --no-default-features -p neargate -p notes
	target/release/neargate up --detach --no-build -f $(BLUEPRINT)/neargate.toml

test: setup-test
	PROFILE=$(PROFILE) scripts/test

check: setup-check
	cargo fmt --all --check
	scripts/check-shell
	cargo clippy --profile $(PROFILE) --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --profile $(PROFILE) --workspace --no-deps --document-private-items --locked

bench: setup-test
	bench/run

nightly: setup-test
	cargo check --locked --manifest-path fuzz/Cargo.toml
	if command -v cargo-deny >/dev/null; then cargo deny --all-features check; else echo "nightly: no cargo-deny here, the workflows judge dependencies"; fi
	NEARGATE_SEED=3000..20000 cargo test --locked -p neargate-core --test it simulation
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
