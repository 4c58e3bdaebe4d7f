// Owns sqlite3_stmt*: bind, step, and reads that always carry a length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "link/sqlite/database.hpp"
#include "model/value.hpp"

struct sqlite3_stmt;

namespace lockstep::sqlite {

struct FinalizeStatement {
  void operator()(sqlite3_stmt* handle) const noexcept;
};

/// A prepared statement. Must not outlive its Database. One thread at a time.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);

  /// Parameters count from 1. Text and blob are copied.
  Statement& bind(int parameter, const ValueView& value);
  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, std::string_view text);

  /// True: a row is there. False: done. Throws Error on anything else.
  [[nodiscard]] bool step();
  /// step() for statements that return no row.
  void run();
  void reset();

  [[nodiscard]] int columns() const;
  /// Valid until the next step(), reset() or destruction. Columns count from 0.
  [[nodiscard]] ValueView value(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  Database* database_;
  std::unique_ptr<sqlite3_stmt, FinalizeStatement> handle_;
};

/// A statement that was stepped and not reset keeps its read transaction open, whatever becomes of
/// the exception that ended its use.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) { statement_.reset(); }
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

}  // namespace lockstep::sqlite
