// SPDX-License-Identifier: Apache-2.0
// The good inputs that are damaged: a tiny model, what the program made of it, and audio of each container.
#pragma once

#include "base/files.h"

namespace loralens::fuzz {

// Fills an empty folder; the same each time, up to when the interrupted run was stopped. Takes some seconds. Names:
//   base sharded       a tiny random Whisper, as one file and as shards
//   run weighted frozen full       runs of two folds; adapter: a bare PEFT folder
//   unfinished.partial             a run that was killed after an epoch
//   evaluation analysis            of `run`
//   clips.csv tiny.csv table.tsv table.jsonl folds.csv labels.txt list.txt train.toml      and audio/, of 0.3 s a clip
//   ct2                            a tiny model.bin
//   formats                        a file of each container and encoding that libsndfile writes here, and a table for
//   each
void make_inputs(const Path& folder);

}  // namespace loralens::fuzz
