// SPDX-License-Identifier: Apache-2.0
// The clips of a table whose columns are named by options; used by the readers of users' tables and of folders that
// hold such tables.
#pragma once

#include <optional>
#include <vector>

#include "base/formats/user_table.h"
#include "corpus/readers/readers.h"

namespace loralens {

// Limits of tables whose size no file's size bounds: columns, each of which is a cell in every row, and cells.
inline constexpr size_t most_columns = 1000, most_cells = 20'000'000;

// Reads a user's table: JSON lines by its extension, else read_user_table().
UserTable read_table(const Path& path, const MayLack& may_lack = {});

// "3" for "3.0" and "3.": programs write the whole numbers of a column so if some of its cells are empty. Returns any
// other text unchanged.
std::string without_zero_fraction(std::string cell);

// The flags --label-column, --speaker-column, ..., and --path-column if `path`.
std::vector<ReaderOption> column_options(bool path);

// The clips of the table. file: its name in messages; folder: to which its paths are relative, none: audio_folder().
// Error for a column that the options name and the table lacks, one that is named twice, a column and a pattern for the
// speakers, and those of clips_of_table().
RawCorpus corpus_of_table(UserTable read, const Path& file, const ReaderOptions& options,
                          const std::optional<Path>& folder = {});

}  // namespace loralens
