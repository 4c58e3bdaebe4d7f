// What happened to a table that is followed, and what it means. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep {

/// The way from one shape of a table to another. Columns are told by their names.
struct ShapeChange {
  bool same = true;                    ///< fingerprints and what PostgreSQL computes agree: at most
                                       ///< the rows were moved about
  std::vector<std::string> added;      ///< columns
  std::vector<std::string> dropped;    ///< columns; a renamed one is dropped and added
  std::vector<std::string> altered;    ///< what no column can be added or dropped for, one sentence
                                       ///< each: another key, another affinity
  std::vector<std::string> otherwise;  ///< stored_otherwise()

  /// Nothing is lost by it: columns were added, indexes and declared types changed.
  [[nodiscard]] bool can_be_followed() const { return dropped.empty() && altered.empty(); }
};
/// What fingerprints leave out and triggers or expressions lean on, one sentence each: whether the
/// table is WITHOUT ROWID, columns' affinities (STRICT gives ANY another one) and collations.
[[nodiscard]] std::vector<std::string> stored_otherwise(const TableShape& before,
                                                        const TableShape& now);

/// `now` says computed_as of the columns of which `before` does.
[[nodiscard]] ShapeChange shape_change(const TableShape& before, const TableShape& now);

/// `now` is `before` with more columns behind, or other indexes made by CREATE INDEX, and not
/// otherwise; no index is UNIQUE that was not before (what REPLACE takes away by it is logged only
/// once its triggers are there). The least number of ALTER TABLE, CREATE INDEX and DROP INDEX that
/// lead there; nothing: something else changed, too.
[[nodiscard]] std::optional<std::size_t> statements_between(const TableShape& before,
                                                            const TableShape& now);

/// The plan of a table that changed: `now` with what was decided for the columns that are still
/// there: their types, and where `now` would have another one, how its values are spelled.
[[nodiscard]] TablePlan carry_decisions(const TablePlan& before, TablePlan now);

/// Temporary names of ORMs that rebuild a table in more than one transaction (Alembic, Django).
[[nodiscard]] bool is_rebuild_in_progress(const std::string& table);

}  // namespace lockstep
