#include <libpq-fe.h>

#include <charconv>

#include "link/postgres/connection.hpp"

namespace lockstep::postgres {

void ClearResult::operator()(pg_result* handle) const noexcept {
  PQclear(handle);
}

int Result::rows() const {
  return PQntuples(handle_.get());
}
int Result::columns() const {
  return PQnfields(handle_.get());
}

bool Result::is_null(int row, int column) const {
  return PQgetisnull(handle_.get(), row, column) != 0;
}

std::string_view Result::value(int row, int column) const {
  check(row < rows() && column < columns(), "a result is read within its bounds");
  return {PQgetvalue(handle_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(handle_.get(), row, column))};
}

std::int64_t Result::integer(int row, int column) const {
  const std::string_view text = value(row, column);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  check(error == std::errc{} && end == text.data() + text.size(), "the column holds an integer");
  return number;
}

bool Result::boolean(int row, int column) const {
  const std::string_view text = value(row, column);
  check(text == "t" || text == "f", "the column holds a boolean");
  return text == "t";
}

unsigned Result::type(int column) const {
  return PQftype(handle_.get(), column);
}

std::int64_t Result::affected() const {
  const std::string_view text = PQcmdTuples(handle_.get());
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string_view Result::command_tag() const {
  return PQcmdStatus(handle_.get());
}

}  // namespace lockstep::postgres
