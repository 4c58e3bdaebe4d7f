// Whether anything was written to a database since somebody looked at it last.
#pragma once

#include <optional>
#include <string>

#include "link/sqlite/database.hpp"

namespace lockstep::sqlite {

/// What the kernel and SQLite say of the database and of its WAL: inodes, sizes, times of the last
/// write to the nanosecond (ctime: nobody can set it back), the header's counters, the salts of the
/// WAL, and this boot of the machine. Equal texts of two calls: nothing was written between them,
/// by SQLite or by anybody else, and it is the same file. A write that changed nothing makes
/// another text all the same.
///
/// Nothing if that could not be told: a write so recent that the next one may carry the same time,
/// a file system that is not local, a kernel that would not say. Not inside a transaction.
[[nodiscard]] std::optional<std::string> file_state(Database& database);

/// Another text for another file, whoever has its name: its inode, and when that was made (else the
/// device it is on). Empty if the kernel would not say.
[[nodiscard]] std::string file_identity(const std::string& path);

/// As /proc has it; empty if it could not be read.
[[nodiscard]] std::string boot_id();

}  // namespace lockstep::sqlite
