// The source's end of the copy: tables in order, rows as entries, cut into chunks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/durability.hpp"
#include "link/wire/control.hpp"
#include "model/shape.hpp"
#include "snapshot/scan.hpp"

namespace lockstep::snapshot {

struct ReaderLimits {
  SliceLimits slice;
  /// In rollback-journal mode a slice is a millisecond and a sync is several: slices are gathered
  /// before one sync.
  Milliseconds gather_max{50};
  /// What kill -9 costs at most; one target transaction each.
  std::size_t chunk_bytes_target = 32u << 20;
};

/// Serves copy requests. Between two calls of slice() no read transaction is open. One thread.
class Reader {
 public:
  Reader(sqlite::Database database, std::vector<TablePlan> tables, ReaderLimits limits);

  /// Starts over with these tables and cursors, in this order.
  void request(std::vector<wire::CopyRequest> requests);
  [[nodiscard]] bool done() const { return at_ == requests_.size(); }

  struct Slice {
    std::string entries;                      ///< to be sent as chunk_rows
    std::optional<wire::ChunkEnd> chunk_end;  ///< to be sent after them
  };
  /// Reads on for about gather_max; what it returns has been made durable. Call only while not
  /// done().
  [[nodiscard]] Slice slice();

 private:
  [[nodiscard]] const TablePlan& plan() const;
  void make_durable();

  sqlite::Database database_;
  sqlite::Durability durability_;
  std::vector<TablePlan> tables_;
  ReaderLimits limits_;
  std::vector<wire::CopyRequest> requests_;
  std::size_t at_ = 0;
  std::optional<Scan> scan_;
  std::size_t chunk_bytes_ = 0;
  std::uint64_t chunk_rows_before_ = 0;  ///< rows of this scan that earlier chunks took
};

}  // namespace lockstep::snapshot
