#!/usr/bin/env python3
"""conversations - what each dissector's fuzz corpus says to it, as C, so that an installed weir has it too.

    conversations.py OUTPUT DEPFILE CORPUS DISSECTOR...

Writes corpus_files[], of struct corpus_file, in the order of the files' names, and CORPUS_LIST, the dissectors as a list of
macros. What the bytes mean is in tests/fuzz/fuzz_dissector.c.
"""
import os
import sys


def main():
    output, depfile, corpus, names = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    used, arrays, lines = [], [], []
    for name in names:
        folder = os.path.join(corpus, name)
        used.append(folder)
        for number, file in enumerate(sorted(os.listdir(folder))):
            path = os.path.join(folder, file)
            used.append(path)
            with open(path, "rb") as f:
                data = f.read()
            array = "conversation_%s_%d" % (name, number)
            arrays.append("static const uint8_t %s[] = {\n%s\n};" % (array, "\n".join(
                "".join("%d," % b for b in data[i:i + 24]) for i in range(0, len(data) or 1, 24)) or "0"))
            lines.append("\t{ \"%s\", %s, %d }," % (name, array, len(data)))
    with open(output, "w") as f:
        f.write("%s\nstatic const struct corpus_file corpus_files[] = {\n%s\n};\n#define CORPUS_LIST(X) %s\n" % (
            "\n".join(arrays), "\n".join(lines), " ".join("X(%s)" % name for name in names)))
    with open(depfile, "w") as f:
        f.write("%s: %s\n" % (output, " ".join(path.replace(" ", "\\ ") for path in used)))


if __name__ == "__main__":
    main()
