// A range of a table as one number per block of its rows: what equal sides have to tell each other.
// Pure.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::verify {

constexpr std::size_t kBlockRows = 1'000;
constexpr std::size_t kBlockKeyBytes = 256u << 10;  ///< keys of a block, so that it fits a message

using Key = std::vector<Value>;

/// The order in which both sides read their rows: integers and reals as numbers, text and blobs
/// byte by byte.
[[nodiscard]] std::weak_ordering key_order(const Key& a, const Key& b);
/// The same of two rows; `key` are their key columns.
[[nodiscard]] std::weak_ordering key_order(const std::vector<std::size_t>& key,
                                           const std::vector<Value>& a,
                                           const std::vector<Value>& b);

/// False for a key that no row of SQLite has: NULL is in it, or NaN.
[[nodiscard]] bool source_may_have(const Key& key);
[[nodiscard]] bool has_null(const Key& key);

/// Keys as canonical bytes (values.hpp), and back. Throws Error LS-W504 if the bytes are no key.
[[nodiscard]] std::string key_bytes(const Key& key);
[[nodiscard]] Key parse_key_bytes(std::string_view bytes);

/// For people: id=7, region='EU'. Personal data is masked.
[[nodiscard]] std::string describe_key(const TablePlan& plan, const Key& key);

/// Rows that follow each other in key order.
struct Block {
  std::optional<Key> last;  ///< key of its last row; nothing: to the end of the table
  std::uint64_t rows = 0;
  std::uint64_t digest = 0;  ///< sum of the row hashes, modulo 2^64
  bool operator==(const Block& other) const;
};

/// What is kept of a row until its block is known to be equal.
struct KeptRow {
  std::string_view key;  ///< canonical bytes
  std::uint64_t hash = 0;
};

/// The rows of one range on one side: their keys and hashes, block by block.
class RangeRows {
 public:
  void add(const Key& key, std::uint64_t hash);
  /// Rows added from here on belong to the next block.
  void end_block();

  [[nodiscard]] bool block_full() const;
  [[nodiscard]] std::size_t blocks() const { return ends_.size(); }
  [[nodiscard]] std::uint64_t rows() const { return hashes_.size(); }
  [[nodiscard]] std::size_t key_bytes() const { return keys_.size(); }
  [[nodiscard]] std::uint64_t rows_of(std::size_t block) const;
  [[nodiscard]] std::uint64_t digest_of(std::size_t block) const;
  /// Views live as long as this object is not added to.
  [[nodiscard]] std::vector<KeptRow> rows_in(std::size_t block) const;

 private:
  [[nodiscard]] std::size_t begin_of(std::size_t block) const {
    return block == 0 ? 0 : ends_[block - 1];
  }

  std::string keys_;
  std::vector<std::size_t> key_ends_;
  std::vector<std::uint64_t> hashes_;
  std::vector<std::size_t> ends_;  // of blocks, as row numbers
};

enum class Difference : std::uint8_t { missing, extra, differ };
[[nodiscard]] std::string_view to_string(Difference difference);

struct RowDifference {
  Difference kind = Difference::differ;
  std::string key;  ///< canonical bytes
};

/// Joins one block of both sides by key.
[[nodiscard]] std::vector<RowDifference> differences(const std::vector<KeptRow>& source,
                                                     const std::vector<KeptRow>& target);

}  // namespace lockstep::verify
