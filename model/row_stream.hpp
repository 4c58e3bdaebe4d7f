// Rows as bytes, the same for snapshot and batches. Grammar in model/README.md:
//
//   entry  = length:u32 table:u32 present:u8 value*     length counts all after itself
//   value  = 0x00 | 0x01 int:i64 | 0x02 real:f64 | 0x03 n:u32 byte*n | 0x04 n:u32 byte*n
//
// Big-endian throughout. A present entry holds every column in shape order; an absent one holds the
// key columns in key order: "no row with this key". Messages cut the stream anywhere: a row may
// span messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.hpp"

namespace lockstep {

/// SQLite hands a value out as one piece of memory, and three copies of the largest one are what
/// bounds ours.
inline constexpr std::size_t kValueBytesMax = std::size_t{256} << 20;
inline constexpr std::size_t kEntryPrefixBytes = 4;
inline constexpr std::size_t kEntryBytesMax = std::size_t{1}
                                              << 30;  // PostgreSQL's own limit for a field is 1 GB

// Big-endian integers, appended to and read from strings.
void put_u8(std::string& out, std::uint8_t value);
void put_u32(std::string& out, std::uint32_t value);
void put_u64(std::string& out, std::uint64_t value);
[[nodiscard]] std::uint32_t get_u32(const char* bytes);
[[nodiscard]] std::uint64_t get_u64(const char* bytes);

/// Appends entries to a string that the caller owns. Throws LS-D413 for a value over kValueBytesMax
/// and for a row over kEntryBytesMax.
class EntryWriter {
 public:
  explicit EntryWriter(std::string& out) : out_(out) {}
  void begin(std::uint32_t table, bool present);
  void put(const ValueView& value);
  void end();
  /// Takes back an entry that was begun and not ended.
  void abandon();

 private:
  std::string& out_;
  std::size_t start_ = 0;
};

/// One whole entry; views into the bytes it was read from.
struct EntryView {
  std::uint32_t table = 0;
  bool present = false;
  std::string_view values;  ///< the value* part, not yet checked
};

/// Walks the value* part of an entry.
class ValueCursor {
 public:
  explicit ValueCursor(std::string_view values) : rest_(values) {}
  /// The next value; nothing at the end or if the bytes are malformed: then `malformed()` tells.
  [[nodiscard]] std::optional<ValueView> next();
  [[nodiscard]] bool malformed() const { return malformed_; }

 private:
  std::string_view rest_;
  bool malformed_ = false;
};

/// Puts fragments together again. Feed a fragment, then take entries until there is none; views
/// live until the next feed(). Throws Error LS-W501 on bytes that cannot be an entry.
class EntryReader {
 public:
  void feed(std::string_view fragment);
  [[nodiscard]] std::optional<EntryView> next();
  /// True if no half entry is waiting for more bytes.
  [[nodiscard]] bool at_boundary() const { return at_ == buffer_.size(); }

 private:
  std::string buffer_;
  std::size_t at_ = 0;
};

}  // namespace lockstep
