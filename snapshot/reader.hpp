// The source's end of the copy: tables in order, rows as entries, cut into chunks.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/durability.hpp"
#include "link/sqlite/scan.hpp"
#include "link/wire/control.hpp"
#include "model/shape.hpp"

namespace lockstep::snapshot {

struct ReaderLimits {
  sqlite::SliceLimits slice;
  /// In rollback-journal mode a slice is a millisecond and a sync is several: slices are gathered
  /// before one sync.
  Milliseconds gather_max{50};
  /// What kill -9 costs at most for each part under way; one target transaction each.
  std::size_t chunk_bytes_target = 32u << 20;
  std::size_t parts_at_once = 2;  ///< that are read in turn, so that several sessions can load them
};

/// Rowids at which the copy of a table may be cut into parts that are copied side by side; empty:
/// not worth it, or the table does not go by rowid. Reads only the ends of the table.
[[nodiscard]] std::vector<std::int64_t> split_points(sqlite::Database& database,
                                                     const TableShape& shape);

/// Serves copy requests. Between two calls of slice() no read transaction is open. One thread.
class Reader {
 public:
  /// Called in each read transaction with rows: the newest change of the source there, after a
  /// proof that the source has not gone back behind an earlier one (else it throws).
  using SeeNewest = std::function<Position(sqlite::Database&)>;

  Reader(sqlite::Database database, std::vector<TablePlan> tables, ReaderLimits limits,
         SeeNewest see_newest = {});

  /// Starts over with these parts of tables, about in this order.
  void request(std::vector<wire::CopyRequest> requests);
  [[nodiscard]] bool done() const { return next_ == requests_.size() && open_.empty(); }

  struct Slice {
    std::uint32_t part = 0;                   ///< place in the request
    std::string entries;                      ///< to be sent as chunk_rows
    std::optional<wire::ChunkEnd> chunk_end;  ///< to be sent after them
  };
  /// Reads on in one of the parts for about gather_max; what it returns has been made durable. Call
  /// only while not done().
  [[nodiscard]] Slice slice();

 private:
  struct Part {
    std::uint32_t number = 0;
    const TablePlan* plan = nullptr;
    sqlite::Scan scan;
    std::size_t chunk_bytes = 0;
    std::uint64_t rows_before = 0;  ///< rows of this scan that earlier chunks took
    std::optional<Position> as_of = {};
  };
  void open_parts();
  /// False: the part ends here.
  [[nodiscard]] bool read(Part& part, std::string& entries);

  sqlite::Database database_;
  sqlite::Durability durability_;
  std::vector<TablePlan> tables_;
  ReaderLimits limits_;
  SeeNewest see_newest_;
  std::vector<wire::CopyRequest> requests_;
  std::size_t next_ = 0;   ///< the first request whose part has not been opened
  std::deque<Part> open_;  ///< the first is read next
};

}  // namespace lockstep::snapshot
