// The target's end of the copy: chunk rows into COPY, and what is done into the ledger, in one
// transaction per chunk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/postgres/copy.hpp"
#include "link/postgres/entry_check.hpp"
#include "link/postgres/meddling.hpp"
#include "link/wire/control.hpp"
#include "model/held_row.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::snapshot {

/// The loading of one part of a table. rows() any number of times, then chunk_end(), which commits.
/// Destroyed in between it leaves nothing of the chunk. Throws Error: LS-D401 (a value its column
/// cannot hold, and its column's plan says to stop; else the row goes into the quarantine in the
/// transaction of its chunk), LS-R706 (the cursor moved under us: another loader), LS-T255
/// (somebody's trigger was in the way), or what the server said; Retry::new_session after anything
/// in doubt. One thread.
class Loader {
 public:
  /// `part` is the ledger's number of the part, `cursor` its cursor there (wire::encode_key; empty:
  /// none).
  Loader(postgres::Connection& connection, std::string migration, std::string schema,
         const TablePlan& table, std::uint32_t part, std::string cursor);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  void rows(std::string_view fragment);
  void chunk_end(const wire::ChunkEnd& end);

  [[nodiscard]] const TablePlan& table() const { return table_; }

 private:
  void begin();
  void open();
  void end_copy();
  void take(const EntryView& entry);
  void hold(const EntryView& entry, const postgres::BadValue& bad);
  void write_held();
  void record(const wire::ChunkEnd& end);

  postgres::Connection& connection_;
  std::string migration_;
  std::string schema_;
  TablePlan table_;
  std::uint32_t part_;
  std::string cursor_;
  std::size_t written_;  // columns: all but those that PostgreSQL computes
  std::vector<postgres::Relation> relation_;
  EntryReader reader_;
  std::unique_ptr<postgres::CopyIn> copy_;
  std::string lump_;
  std::uint64_t rows_ = 0;
  std::int64_t copied_ = 0;      // the server says, of the COPYs that have ended
  std::uint64_t held_rows_ = 0;  // of the chunk; they wait in the quarantine
  std::vector<HeldRow> held_;    // not written yet
  std::size_t held_bytes_ = 0;
};

}  // namespace lockstep::snapshot
