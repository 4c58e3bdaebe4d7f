#include "tests/nemesis/reader.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include "tests/nemesis/state_hash.hpp"

namespace lockstep::nemesis {

namespace {

class Connection {
 public:
  explicit Connection(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK)
      throw std::runtime_error(PQerrorMessage(connection_.get()));
    exec("SET statement_timeout = '20s'");
  }
  using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;
  Result exec(const std::string& sql) {
    Result result{PQexec(connection_.get(), sql.c_str()), PQclear};
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
      throw std::runtime_error(PQerrorMessage(connection_.get()));
    return result;
  }

 private:
  std::unique_ptr<PGconn, decltype([](PGconn* connection) { PQfinish(connection); })> connection_;
};

std::int64_t number(const Connection::Result& result, int row, int column) {
  return std::stoll(PQgetvalue(result.get(), row, column));
}

std::optional<Sighting> look(Connection& connection) {
  connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const auto ledger = connection.exec("SELECT seq FROM lockstep.ledger WHERE consistent");
  if (PQntuples(ledger.get()) == 0) {
    connection.exec("COMMIT");
    return std::nullopt;
  }
  Sighting sighting{.seq = number(ledger, 0, 0)};
  StateHash hash;
  for (const HashedTable& table : kHashedTables) {
    const auto rows = connection.exec(table.postgres_query);
    if (std::string_view(table.name) == "held") sighting.held = PQntuples(rows.get());
    if (table.name == kHashedTables[0].name && PQntuples(rows.get()) == 1)
      sighting.n = number(rows, 0, 1);
    for (int row = 0; row < PQntuples(rows.get()); ++row) {
      hash.begin_row(table.name);
      for (int column = 0; column < PQnfields(rows.get()); ++column) {
        if (PQgetisnull(rows.get(), row, column) != 0)
          hash.null();
        else
          hash.field({PQgetvalue(rows.get(), row, column),
                      static_cast<std::size_t>(PQgetlength(rows.get(), row, column))});
      }
      hash.end_row();
    }
  }
  connection.exec("COMMIT");
  sighting.hash = hash.value();
  return sighting;
}

}  // namespace

Reader::Reader(std::string dsn, std::chrono::milliseconds pause)
    : dsn_(std::move(dsn)), pause_(pause), thread_([this] { work(); }) {}

Reader::~Reader() {
  end_ = true;
  if (thread_.joinable()) thread_.join();
}

std::vector<Sighting> Reader::finish() {
  end_ = true;
  thread_.join();
  return std::move(sightings_);
}

// Errors are no sightings: the server is being killed all the time, and before the copy is made
// there is nothing to see.
void Reader::work() {
  std::unique_ptr<Connection> connection;
  while (!end_) {
    try {
      if (!connection) connection = std::make_unique<Connection>(dsn_);
      if (const auto seen = look(*connection)) sightings_.push_back(*seen);
    } catch (const std::runtime_error&) {
      connection.reset();
    }
    std::this_thread::sleep_for(pause_);
  }
}

std::optional<Sighting> look_at(const std::string& dsn) {
  Connection connection(dsn);
  return look(connection);
}

std::map<std::int64_t, std::int64_t> ops_of(const std::string& dsn) {
  Connection connection(dsn);
  const auto rows = connection.exec("SELECT op, n FROM public.ops");
  std::map<std::int64_t, std::int64_t> ops;
  for (int row = 0; row < PQntuples(rows.get()); ++row)
    ops.emplace(number(rows, row, 0), number(rows, row, 1));
  return ops;
}

}  // namespace lockstep::nemesis
