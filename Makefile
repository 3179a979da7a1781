# mixmae: everything a person types. CMake does the work underneath (CMakePresets.json).
.PHONY: all build setup test test-gpu test-interop demo bench bench-torch bench-inference fuzz format install uninstall bundle clean

all: build

setup:
	@tools/setup

build: setup
	@cmake --preset release -G Ninja >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release --target mixmae

test: setup
	@tools/test

# Against other programs' readers and writers (Python, packages from PyPI, 6 GB with PyTorch): see docs/developing/testing.md.
test-interop: setup
	@tools/interop

# On a machine with an NVIDIA GPU: golden numbers, op cases, repeatability, speed; see tools/test-gpu.
test-gpu:
	@tools/test-gpu

demo: build
	@tools/demo

bench: build
	build/mixmae bench --model base --batch-size 8
	build/mixmae bench --model tiny --batch-size 16

# Beside PyTorch (5 GB the first time). ARGS="--models base --threads 1": see tools/bench-torch and bench/compare --help.
bench-torch: setup
	@tools/bench-torch $(ARGS)

# Embeddings beside ONNX Runtime's. ARGS="--models base,small96": see tools/bench-inference and bench/inference --help.
bench-inference: setup
	@tools/bench-inference $(ARGS)

fuzz:
	@tools/fuzz

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# make install PREFIX=/opt/mixmae DESTDIR=/tmp/package: the command, both libraries, the header, the pkg-config file,
# manual pages and completion. Uninstalling takes away what the last install put there.
PREFIX ?= /usr/local

install: build
	@cmake --build --preset release --target mixmae mixmae_core mixmae_shared
	DESTDIR="$(DESTDIR)" cmake --install build --prefix "$(PREFIX)"
	@cp build/install_manifest.txt build/installed.txt

uninstall:
	@test -f build/installed.txt || { echo "nothing was installed from here"; exit 1; }
	@while IFS= read -r f || [ -n "$$f" ]; do echo "removing $(DESTDIR)$$f"; rm -f "$(DESTDIR)$$f"; done <build/installed.txt

# build/mixmae-VERSION-linux-ARCHITECTURE and its .tar.gz: runs on machines where nothing is installed.
bundle: build
	@cmake --build --preset release --target mixmae mixmae_core mixmae_shared
	@tools/bundle

clean:
	rm -rf build build-debug build-asan build-tsan build-fuzz demo
