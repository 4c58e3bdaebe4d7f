// Bytes that memory shall not hold, in a file without a name: it is gone when we are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "link/sqlite/file_descriptor.hpp"

namespace lockstep::capture {

/// First in, first out. The file appears in $TMPDIR (or /tmp) with the first append() and can be
/// read by nobody else. Throws LS-S334 if the disk does not take it. One thread.
class Spool {
 public:
  void append(std::string_view bytes);
  /// At most `bytes_max` of the oldest bytes; empty: there are none. When the last ones are taken
  /// the file starts over.
  [[nodiscard]] std::string take(std::size_t bytes_max);
  [[nodiscard]] bool empty() const { return taken_ == written_; }
  [[nodiscard]] std::uint64_t bytes() const { return written_ - taken_; }

 private:
  void open();

  sqlite::FileDescriptor file_;
  std::uint64_t written_ = 0, taken_ = 0;
};

}  // namespace lockstep::capture
