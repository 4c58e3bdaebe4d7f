// A batch of few rows: kept until its end is here, then written by prepared statements within one
// round trip. For the applier alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/error.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// How a row that is present is written.
enum class Writing {
  in_place,  ///< by upsert where its table knows that, else as below
  anew,      ///< everything is deleted, then inserted
};

class SmallBatch {
 public:
  /// Both outlive it. Every entry is of one of `tables`.
  SmallBatch(const std::string& schema, const std::map<std::uint32_t, TablePlan>& tables)
      : schema_(schema), tables_(tables) {}

  void clear();
  void put(const EntryView& entry, std::uint32_t slice);
  [[nodiscard]] std::size_t entries() const { return stored_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }
  [[nodiscard]] std::set<std::uint32_t> tables() const;
  /// `take` is called with each entry and its slice, in the order in which they came.
  template <class Take>
  void each(Take take) const {
    for (const Stored& stored : stored_) take(view(stored), stored.slice);
  }
  /// Of the entries of one key only the last counts.
  void keep_latest();

  /// What run() runs: names and texts.
  [[nodiscard]] std::map<std::string, std::string> statements(Writing writing) const;
  /// Deletes, then the rest. `first` statements are in the pipeline already.
  void run(postgres::Pipeline& pipeline, Writing writing, std::size_t first);

  /// What the statement with that number met, named by its row; `error` itself if it is none of
  /// this batch.
  [[nodiscard]] Error placed(const Error& error, std::size_t statement) const;
  /// Numbers of the statements that have to say that they wrote one row.
  [[nodiscard]] const std::vector<std::size_t>& counted() const { return counted_; }
  /// The number of the statement behind those of this batch.
  [[nodiscard]] std::size_t behind() const { return first_ + sent_.size(); }

 private:
  struct Stored {
    std::uint32_t table = 0;
    bool present = false;
    std::uint32_t slice = 0;
    std::size_t offset = 0, length = 0;
  };

  [[nodiscard]] const TablePlan& plan(const Stored& stored) const {
    return tables_.at(stored.table);
  }
  [[nodiscard]] std::string_view values(const Stored& stored) const {
    return std::string_view(bytes_).substr(stored.offset, stored.length);
  }
  [[nodiscard]] EntryView view(const Stored& stored) const {
    return {stored.table, stored.present, values(stored)};
  }
  [[nodiscard]] bool replaced(const Stored& stored, Writing writing) const;
  void run_delete(postgres::Pipeline& pipeline, const Stored& stored) const;
  void run_write(postgres::Pipeline& pipeline, const Stored& stored, char verb) const;

  const std::string& schema_;
  const std::map<std::uint32_t, TablePlan>& tables_;
  std::string bytes_;
  std::vector<Stored> stored_;
  std::size_t first_ = 0;
  std::vector<const Stored*> sent_;  // one for each statement from the first on
  std::vector<std::size_t> counted_;
};

}  // namespace lockstep::apply
