// What a census found is kept for as long as nothing is written to the source, so that assess, a
// refused run and the run after it read every value once, not three times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "link/sqlite/database.hpp"
#include "snapshot/census_record.hpp"

namespace lockstep::ops {

/// In the user's cache folder ($XDG_CACHE_HOME/lockstep, else ~/.cache/lockstep), a file for each
/// database, 0600: examples in it are values. Whatever is in doubt - a file that cannot be read, is
/// somebody else's, of another lockstep; a source of which sqlite::file_state() says anything else,
/// or nothing - means that there is no record, and never an error. I7 does not rest on it: values
/// are checked again while they are copied. One thread.
class CensusStore {
 public:
  explicit CensusStore(sqlite::Database& database);

  /// Nothing: it has to be taken. `asked` as snapshot::asked_for() has it.
  [[nodiscard]] const TableCensus* find(const std::string& table, const std::string& asked);
  void took(const std::string& table, std::string asked, double seconds, const TableCensus& census);

  /// Writes what was taken, if that is worth a file and nothing was written to the source since
  /// this object was made.
  void keep(sqlite::Database& database) const;

  [[nodiscard]] std::uint64_t known_rows() const { return known_rows_; }
  [[nodiscard]] double saved_seconds() const { return saved_seconds_; }
  [[nodiscard]] std::int64_t known_since_us() const { return record_.taken_us; }

 private:
  std::string path_;  ///< empty: no record can be kept
  snapshot::CensusRecord record_;
  bool new_ = false;  ///< something was taken
  std::uint64_t known_rows_ = 0;
  double saved_seconds_ = 0;
};

/// Once the source has triggers, or is left alone again, its record is of no use.
void forget_census(const std::string& database_path);

}  // namespace lockstep::ops
