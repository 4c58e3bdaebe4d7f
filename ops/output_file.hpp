// A file that a person asked for: --html FILE, --junit FILE.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::ops {

/// Before the work that fills it. Throws Error LS-C127 (exit 2) if `path` is the source or a file
/// that belongs to it, LS-C132 (exit 2) if something is there that is no regular file. Nothing for
/// an empty path.
void check_output(const std::string& path, const std::string& flag, const std::string& source);

/// The whole file or none of it, mode 0600: rows may be shown in it. What a link there leads to
/// stays as it is. Throws as check_output(), and LS-C132 if it cannot be written.
void write_output(const std::string& path, const std::string& flag, const std::string& source,
                  std::string_view text);

}  // namespace lockstep::ops
