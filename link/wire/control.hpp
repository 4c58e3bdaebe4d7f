// Bodies of the control messages: JSON where people may want to read them, fixed bytes where they
// are frequent. JSON bodies are additive: readers ignore unknown members.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "link/wire/credit.hpp"
#include "model/error.hpp"
#include "model/position.hpp"
#include "model/shape.hpp"
#include "model/target_identity.hpp"
#include "model/value.hpp"

namespace lockstep::wire {

/// A column got a value that it cannot hold, and its owner lets it become text.
struct TextWish {
  std::uint32_t table = 0;
  std::string column{};  ///< as SQLite stored it
  ColumnType type{};     ///< that did not hold it: what apply knew it as
  bool operator==(const TextWish&) const = default;
};

/// With an empty source_id apply asks who is there: it gets a welcome and says hello again.
struct Hello {
  std::string migration;
  std::string source_id;             ///< UUID the ledger knows; capture refuses another
  std::optional<Position> position;  ///< the ledger's; nothing before the first one was recorded
  std::optional<TargetIdentity> target = {};  ///< capture refuses another than it knows
  bool accept_target = false;                 ///< a person says that it is the right one now
  /// While a copy is under way: the newest change of the source that chunks on the target were
  /// read after. The source must still have it, or it went back behind what was copied.
  std::optional<Position> seen = {};
  std::optional<TextWish> becomes_text = {};
  /// Of who only asks: where it would write. Capture refuses another than it knows, and remembers
  /// nothing; one of before passes over it.
  std::optional<TargetIdentity> intended_target = {};
};

struct Welcome {
  std::string source_id;
  Position newest;  ///< the last change in the source when the session began
  std::vector<TablePlan> tables;
  std::string migration;
  std::string source;  ///< path on the source's host
  Position first;      ///< the oldest change that is left: where a copy may start
  std::vector<std::vector<std::int64_t>> split_points;  ///< per table, as LedgerPart has them
  bool in_doubt = false;  ///< capture may have missed something: both sides are to be compared
  /// Per table, how many rows the census found; 0: not known. Empty from an older capture.
  std::vector<std::int64_t> expected_rows{};
};

/// Where to go on copying one part of a table: rows whose key follows `after` (nothing: from the
/// start), up to rowid `until` (nothing: to the end).
struct CopyRequest {
  std::uint32_t table = 0;
  std::optional<std::vector<Value>> after;
  std::optional<std::int64_t> until;
  std::int64_t table_rows = 0;  ///< of the whole table, that the target has already; for progress
};

struct ChunkEnd {
  std::uint32_t part = 0;   ///< place of the part in the copy request
  std::vector<Value> last;  ///< key of the last row; empty if there was none
  std::uint64_t rows = 0;
  bool done = false;                   ///< the part ends here
  std::optional<Position> as_of = {};  ///< the newest change when the chunk's last rows were read
};

/// A fragment of the rows of one part; parts come mixed, each in its own order.
struct ChunkRows {
  std::uint32_t part = 0;
  std::string_view fragment;  ///< lives as long as the body it was decoded from
};

/// A batch says where it starts; where it ends is known when its last slice has been read.
struct BatchBegin {
  Position from;
};

/// From here on the batch holds every row of the table: what has no present entry is gone.
struct BatchReset {
  std::uint32_t table = 0;
};

struct BatchEnd {
  Position to;
  std::int64_t wall_us = 0;  ///< when the reader saw `to` first; for lag
  std::uint64_t entries = 0;
};

// encode_* gives the body; decode_* throws Error LS-W504 naming the message kind if the body does
// not fit.
[[nodiscard]] std::string encode_hello(const Hello& hello);
[[nodiscard]] Hello decode_hello(std::string_view body);
[[nodiscard]] std::string encode_welcome(const Welcome& welcome);
[[nodiscard]] Welcome decode_welcome(std::string_view body);
[[nodiscard]] std::string encode_copy(const std::vector<CopyRequest>& requests);
[[nodiscard]] std::vector<CopyRequest> decode_copy(std::string_view body);
[[nodiscard]] std::string encode_chunk_rows(const ChunkRows& rows);
[[nodiscard]] ChunkRows decode_chunk_rows(std::string_view body);
[[nodiscard]] std::string encode_chunk_end(const ChunkEnd& end);
[[nodiscard]] ChunkEnd decode_chunk_end(std::string_view body);
[[nodiscard]] std::string encode_refusal(const ErrorFacts& facts);
[[nodiscard]] ErrorFacts decode_refusal(std::string_view body);
// Fixed: position = era:16 bytes seq:i64 identity:i64
[[nodiscard]] std::string encode_position(const Position& position);
inline constexpr std::size_t kPositionBytes = 32;  ///< on the wire: era, seq, identity
[[nodiscard]] Position decode_position(std::string_view body);
[[nodiscard]] std::string encode_batch_begin(const BatchBegin& begin);
[[nodiscard]] BatchBegin decode_batch_begin(std::string_view body);
[[nodiscard]] std::string encode_batch_reset(const BatchReset& reset);
[[nodiscard]] BatchReset decode_batch_reset(std::string_view body);
[[nodiscard]] std::string encode_batch_end(const BatchEnd& end);
[[nodiscard]] BatchEnd decode_batch_end(std::string_view body);
[[nodiscard]] std::string encode_credit(Credit credit);
[[nodiscard]] Credit decode_credit(std::string_view body);

/// All rules of a configuration, as the source remembers them. Exact; decode_rules() throws
/// LS-W504.
[[nodiscard]] std::string encode_rules(const RuleSet& rules);
[[nodiscard]] RuleSet decode_rules(std::string_view json);

/// A table plan as JSON text, also kept in the ledger and in the source's _lockstep_tables.
[[nodiscard]] std::string encode_plan(const TablePlan& plan);
[[nodiscard]] TablePlan decode_plan(std::string_view json);
/// Key values as a JSON array of [class, value] pairs, exact for every class (reals as 16 hex
/// digits of their bits, blobs and text that is not UTF-8 as hex). Kept in the ledger as a table's
/// cursor.
[[nodiscard]] std::string encode_key(const std::vector<Value>& key);
[[nodiscard]] std::vector<Value> decode_key(std::string_view json);
/// One of these pairs.
[[nodiscard]] std::string encode_value(const Value& value);
[[nodiscard]] Value decode_value(std::string_view json);

}  // namespace lockstep::wire
