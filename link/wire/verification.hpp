// Bodies of the messages by which both ends compare a range of a table at a barrier: a position at
// which each has a read view (verify/README.md). Keys are canonical bytes, opaque here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/error.hpp"
#include "model/position.hpp"

namespace lockstep::wire {

/// Of more rows than these the hashes are wanted: no texts, no outlines.
inline constexpr std::size_t kRowsWithTexts = 5;

/// apply -> capture: a range of a table is to be compared at the next barrier, or, with `keys`,
/// these rows are to be shown.
struct BarrierWanted {
  std::uint64_t barrier = 0;  ///< numbered by apply, counting up within a session
  std::uint32_t table = 0;
  std::string shape;  ///< fingerprint of the table as apply has it: another one is LS-V504
  /// The range begins behind this key, spelled as Digests::resume was; nothing: at the start.
  std::optional<std::string> after;
  std::vector<std::string> keys;
  std::uint32_t rows_max = 0;  ///< 0: as many as the time allows
  /// SELECTs that are to be answered at the barrier instead; then there is no table.
  std::vector<std::string> queries{};
  /// These keys, in the source's own spelling and in the order of their canonical bytes, are the
  /// range: their digests are wanted, not their values.
  bool digest_keys = false;
};

/// capture -> apply: every change up to the position has been sent, and a read view of the source
/// is open there.
struct Barrier {
  std::uint64_t barrier = 0;
  Position position;
};

struct DigestBlock {
  std::optional<std::string> last;  ///< key of the last row; nothing: to the end of the table
  std::uint32_t rows = 0;
  std::uint64_t digest = 0;
};

/// capture -> apply: the range, which ends with the last block. Of keys that were asked for, `last`
/// and `resume` are the same canonical bytes.
struct Digests {
  std::uint64_t barrier = 0;
  std::vector<DigestBlock> blocks;    ///< never empty; only the last one may be open
  std::optional<std::string> resume;  ///< key in the source's own spelling; not if the last is open
};

/// apply -> capture: the rows of these blocks are wanted one by one. Empty: none is; what capture
/// kept of the range may go.
struct Narrow {
  std::uint64_t barrier = 0;
  std::vector<std::uint32_t> blocks;
};

struct HashedRow {
  std::string key;
  std::uint64_t hash = 0;
};

/// capture -> apply: the rows of one block.
struct BlockRows {
  std::uint64_t barrier = 0;
  std::uint32_t block = 0;
  std::vector<HashedRow> rows;
};

struct ShownValue {
  std::uint64_t hash = 0;  ///< of the canonical bytes
  std::string text;        ///< for people, cut; empty of more rows than kRowsWithTexts
};

struct ShownRow {
  std::string key;
  bool there = false;
  /// One per column, if it is there. Behind them may follow outlines of long values: `hash` is the
  /// column's number then.
  std::vector<ShownValue> values;
};

/// capture -> apply: rows that were asked for by their keys.
struct ShownRows {
  std::uint64_t barrier = 0;
  std::vector<ShownRow> rows;
};

/// One cell of an answer: a number by its digits, so that no engine's type is in the way.
struct QueryCell {
  enum class Kind : std::uint32_t { null = 0, number = 1, text = 2, blob = 3 };
  Kind kind = Kind::null;
  std::string text;  ///< or the bytes of a blob
  bool operator==(const QueryCell&) const = default;
};

/// What one side answers to one query.
struct QueryAnswer {
  std::vector<std::vector<QueryCell>> rows;
  bool personal = false;  ///< it reads a column with personal data
  std::string problem;    ///< why there is no answer; empty: there is
};

/// capture -> apply: one answer per query of the barrier.
struct QueryAnswers {
  std::uint64_t barrier = 0;
  std::vector<QueryAnswer> answers;
};

/// capture -> apply: there is nothing to be had at this barrier.
struct BarrierFailed {
  std::uint64_t barrier = 0;
  ErrorFacts error;
};

// encode_* gives the body; decode_* throws Error LS-W504 naming the message kind if it does not
// fit.
[[nodiscard]] std::string encode_barrier_wanted(const BarrierWanted& wanted);
[[nodiscard]] BarrierWanted decode_barrier_wanted(std::string_view body);
[[nodiscard]] std::string encode_barrier(const Barrier& barrier);
[[nodiscard]] Barrier decode_barrier(std::string_view body);
[[nodiscard]] std::string encode_digests(const Digests& digests);
[[nodiscard]] Digests decode_digests(std::string_view body);
[[nodiscard]] std::string encode_narrow(const Narrow& narrow);
[[nodiscard]] Narrow decode_narrow(std::string_view body);
[[nodiscard]] std::string encode_block_rows(const BlockRows& rows);
[[nodiscard]] BlockRows decode_block_rows(std::string_view body);
[[nodiscard]] std::string encode_shown_rows(const ShownRows& rows);
[[nodiscard]] ShownRows decode_shown_rows(std::string_view body);
[[nodiscard]] std::string encode_query_answers(const QueryAnswers& answers);
[[nodiscard]] QueryAnswers decode_query_answers(std::string_view body);
[[nodiscard]] std::string encode_barrier_failed(const BarrierFailed& failed);
[[nodiscard]] BarrierFailed decode_barrier_failed(std::string_view body);

}  // namespace lockstep::wire
