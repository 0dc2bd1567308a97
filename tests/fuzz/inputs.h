// SPDX-License-Identifier: Apache-2.0
// Creates the valid inputs that the fuzzer damages: a tiny model, outputs of the program with it, and audio of each
// format.
#pragma once

#include "base/files.h"

namespace loralens::fuzz {

// Fills an empty folder. The contents are the same each time, except for the point where the interrupted run was
// killed. Takes some seconds. Names:
//   base sharded       a tiny random Whisper, as one file and as shards
//   run weighted frozen full       runs of two folds; adapter: a bare PEFT folder
//   unfinished.partial             a run that was killed after an epoch
//   evaluation analysis            of `run`
//   clips.csv tiny.csv table.tsv table.jsonl folds.csv labels.txt list.txt train.toml      and audio/, of 0.3 s a clip
//   pickled                        the adapter as a pickle of PyTorch, and a tiny file of OpenAI's Whisper
//   ct2                            a tiny model.bin
//   formats                        a file of each container and encoding that libsndfile writes here, and a table for
//   each
void make_inputs(const Path& folder);

}  // namespace loralens::fuzz
