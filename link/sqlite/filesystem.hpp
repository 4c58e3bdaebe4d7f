// What the file system under the application's database promises, and how much room is left on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep::sqlite {

enum class FilesystemKind {
  local,
  shared,   ///< of a network or cluster: locks and shared memory do not reach every host
  unknown,  ///< FUSE and the like: the kernel does not say what is behind it
};

struct Filesystem {
  FilesystemKind kind = FilesystemKind::local;
  std::string_view name;  ///< of those that are not local; static
};

/// By the magic number of statfs(2). Pure. What is not listed counts as local.
[[nodiscard]] Filesystem judge_filesystem(std::uint64_t magic);

/// Of the folder that holds the database. Throws LS-S314 (exit 3) if it is shared: a reader on one
/// host and a writer on another would not see each other's locks, and damage the database. Returns
/// what it is otherwise, also if the kernel would not say (local).
Filesystem require_local(const std::string& database_path);

/// Bytes that an unprivileged writer can still use there; nothing if the kernel would not say.
[[nodiscard]] std::optional<std::int64_t> free_bytes(const std::string& database_path);

}  // namespace lockstep::sqlite
