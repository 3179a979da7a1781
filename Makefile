# mixmae: everything a person types. CMake does the work underneath (CMakePresets.json).
.PHONY: all build setup test demo bench fuzz format install clean

all: build

setup:
	@tools/setup

build: setup
	@cmake --preset release -G Ninja >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release --target mixmae

test: setup
	@tools/test

demo: build
	@tools/demo

bench: build
	build/mixmae bench --model base --batch-size 8
	build/mixmae bench --model tiny --batch-size 16

fuzz:
	@tools/fuzz

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

install: build
	cmake --install build

clean:
	rm -rf build build-debug build-asan build-tsan build-fuzz demo
