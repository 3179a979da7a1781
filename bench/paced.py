"""Programs that do a piece of work for each line they are sent, so that several can be timed in turn.

Such a program prints "READY size" when it is prepared (size: what must be the same number in all that are compared),
then for each line of its standard input "seconds processor-seconds ... peak-bytes". Used by bench/compare and
bench/inference.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "build")


class Program:
    """A process that does a step when it is told to."""

    def __init__(self, name, command, environment):
        self.name, self.steps = name, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})
        self.size = int(self.line().split()[1])

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early")
        return line

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, processor, *_, self.peak = map(float, self.line().split())
        self.steps.append((seconds, processor))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def build(name, folder):
    """bench/NAME.c on the library of this tree: the path of the program, in folder."""
    with open(os.path.join(BUILD, "mixmae.pc")) as f:
        libraries = next(line.split(":", 1)[1].split() for line in f if line.startswith("Libs.private:"))
    path = os.path.join(folder, name)
    subprocess.run(["cc", "-std=c11", "-O2", "-D_GNU_SOURCE", "-I" + os.path.join(HERE, "..", "include"),
                    os.path.join(HERE, name + ".c"), os.path.join(BUILD, "libmixmae.a"), *libraries, "-o", path],
                   check=True)
    return path
