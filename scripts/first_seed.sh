#!/bin/sh
# Prints the first seed of those that belong to the commit that is checked out: other seeds for every commit, the
# same ones for everybody who has it. Without git, as in an unpacked archive, a fixed one.
cd "$(dirname "$0")/.." || exit
# The repository around an unpacked archive is not ours.
if [ -e .git ] && commit=$(git rev-parse HEAD 2>/dev/null); then
    # Ranges of 10,000, far from the seeds that people choose.
    echo $((10000000000 + 0x$(echo "$commit" | cut -c 1-7) * 10000))
else
    echo 5000000
fi
