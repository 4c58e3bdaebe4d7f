#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>
#include <limits>

#include "link/postgres/connection.hpp"
#include "link/postgres/copy.hpp"
#include "link/postgres/encode.hpp"
#include "tests/support/postgres_server.hpp"

namespace lockstep::postgres {

namespace {

constexpr int kStatements = 10'000;
constexpr ColumnType kTypes[] = {ColumnType::bigint, ColumnType::double_precision, ColumnType::text,
                                 ColumnType::bytea};

test::PostgresServer& server() {
  static test::PostgresServer one{{"fsync=off"}};
  return one;
}

Connection fresh_connection() {
  static int count = 0;
  Connection connection =
      Connection::open(parse_dsn(server().create_database(fmt::format("s{}", ++count))), "test");
  connection.exec("CREATE TABLE public.t(a bigint PRIMARY KEY, b text)");
  return connection;
}

std::string raw(std::int64_t value) {
  std::string out;
  append_raw(out, {.kind = ValueClass::integer, .integer = value}, ColumnType::bigint);
  return out;
}

void send_insert(Pipeline& pipe, std::int64_t key, BinaryParameter text) {
  const std::string bytes = raw(key);
  const std::array<BinaryParameter, 2> parameters{bytes, text};
  pipe.run("insert", parameters);
}

void begin_inserts(Pipeline& pipe) {
  pipe.exec("BEGIN");
  pipe.prepare("insert", "INSERT INTO public.t VALUES ($1, $2)");
}

std::int64_t count_rows(Connection& connection) {
  return connection.exec("SELECT count(*) FROM public.t").integer(0, 0);
}

}  // namespace

TEST_CASE("a pipeline of many statements commits them in one go") {
  Connection connection = fresh_connection();
  Pipeline pipe(connection);
  begin_inserts(pipe);
  for (int i = 0; i < kStatements; ++i)
    send_insert(pipe, i, i % 2 == 0 ? BinaryParameter(std::string_view{}) : std::nullopt);
  pipe.exec("UPDATE public.t SET b = 'x' WHERE a < 7");
  pipe.commit();
  const Pipeline::Outcome outcome = pipe.finish();
  CHECK(outcome.commit == CommitOutcome::committed);
  CHECK_FALSE(outcome.error);
  REQUIRE(outcome.affected.size() == kStatements + 4);
  CHECK(outcome.affected[0] == 0);
  CHECK(outcome.affected[2] == 1);
  CHECK(outcome.affected[kStatements + 2] == 7);
  CHECK(count_rows(connection) == kStatements);
  CHECK(connection.exec("SELECT count(b) FROM public.t").integer(0, 0) == kStatements / 2 + 3);
}

TEST_CASE("a pipeline that the server answers with more than the socket holds does not dead-lock") {
  Connection connection = fresh_connection();
  Pipeline pipe(connection);
  pipe.exec("BEGIN");
  const std::string wide = "SELECT repeat('x', 100000), '" + std::string(50'000, 'y') + "'";
  for (int i = 0; i < 300; ++i) pipe.exec(wide);
  pipe.commit();
  const Pipeline::Outcome outcome = pipe.finish();
  CHECK(outcome.commit == CommitOutcome::committed);
  CHECK(outcome.affected[300] == 1);
}

TEST_CASE(
    "an error in the middle of a pipeline aborts the whole of it and is told with its place") {
  Connection connection = fresh_connection();
  Pipeline pipe(connection);
  begin_inserts(pipe);
  for (int i = 0; i < kStatements; ++i) send_insert(pipe, i == 5000 ? 4999 : i, "text");
  pipe.commit();
  const Pipeline::Outcome outcome = pipe.finish();
  CHECK(outcome.commit == CommitOutcome::aborted);
  REQUIRE(outcome.error);
  CHECK(outcome.error->foreign() == "23505");
  CHECK(outcome.error->code() == "LS-T210");
  CHECK(outcome.failed_statement == 5002);
  CHECK(outcome.affected.size() == kStatements + 3);
  CHECK(outcome.affected[5001] == 1);
  CHECK(outcome.affected[5002] == 0);
  CHECK(count_rows(connection) == 0);  // and the session is not in a failed transaction
}

TEST_CASE("a pipeline without COMMIT leaves the transaction open, prepared statements stay") {
  Connection connection = fresh_connection();
  {
    Pipeline pipe(connection);
    begin_inserts(pipe);
    send_insert(pipe, 1, "one");
    CHECK_FALSE(pipe.finish().error);
  }
  {
    Pipeline pipe(connection);
    send_insert(pipe, 2, "two");
    CHECK(pipe.finish().affected == std::vector<std::int64_t>{1});
  }
  CHECK(connection.commit() == CommitOutcome::committed);
  CHECK(count_rows(connection) == 2);
  Pipeline pipe(connection);
  pipe.exec("BEGIN");
  pipe.exec("SELECT 1/0");
  const Pipeline::Outcome outcome = pipe.finish();
  CHECK(outcome.error->foreign() == "22012");
  CHECK_THROWS_AS(connection.exec("SELECT 1"), Error);  // still in the failed transaction
  connection.abort();
  CHECK(count_rows(connection) == 2);
}

TEST_CASE("a deferred constraint that fails at COMMIT in a pipeline is aborted") {
  Connection connection = fresh_connection();
  connection.exec("CREATE TABLE public.d(a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  Pipeline pipe(connection);
  pipe.exec("BEGIN");
  pipe.exec("INSERT INTO public.d VALUES (1), (1)");
  pipe.commit();
  const Pipeline::Outcome outcome = pipe.finish();
  CHECK(outcome.commit == CommitOutcome::aborted);
  CHECK(outcome.failed_statement == 2);
  CHECK(connection.alive());
}

TEST_CASE("warnings of statements before COMMIT do not make a pipeline doubtful") {
  Connection connection = fresh_connection();
  Pipeline pipe(connection);
  pipe.exec("BEGIN");
  pipe.exec("DO $$ BEGIN RAISE WARNING 'only a word'; END $$");
  pipe.commit();
  CHECK(pipe.finish().commit == CommitOutcome::committed);
}

TEST_CASE("a connection lost in a pipeline is in doubt only if COMMIT may have been sent") {
  Connection connection = fresh_connection();
  Pipeline pipe(connection);
  begin_inserts(pipe);
  send_insert(pipe, 1, "one");
  SECTION("COMMIT was called, then the network went") {
    pipe.commit();
    shutdown(connection.descriptor(), SHUT_RDWR);
    CHECK(pipe.finish().commit == CommitOutcome::in_doubt);
  }
  SECTION("the network went and COMMIT was not called") {
    shutdown(connection.descriptor(), SHUT_RDWR);
    const Pipeline::Outcome outcome = pipe.finish();
    CHECK(outcome.commit == CommitOutcome::aborted);
    REQUIRE(outcome.error);
    CHECK(outcome.error->retry() == Retry::new_session);
  }
  SECTION("the loss was noticed while sending, COMMIT never left") {
    shutdown(connection.descriptor(), SHUT_RDWR);
    for (int i = 2; i < kStatements; ++i) send_insert(pipe, i, "text");
    pipe.commit();
    const Pipeline::Outcome outcome = pipe.finish();
    CHECK(outcome.commit == CommitOutcome::aborted);
    CHECK(outcome.error->code() == "LS-T201");
  }
  SECTION("the backend died in a statement before COMMIT") {
    pipe.exec("SELECT pg_terminate_backend(pg_backend_pid())");
    pipe.commit();
    const Pipeline::Outcome outcome = pipe.finish();
    CHECK(outcome.commit == CommitOutcome::aborted);
    REQUIRE(outcome.error);
    CHECK(outcome.error->foreign() == "57P01");
    CHECK(outcome.error->retry() == Retry::new_session);
    CHECK(outcome.failed_statement == 3);
  }
  CHECK_FALSE(connection.alive());
}

TEST_CASE("a pipeline that is not finished closes its connection") {
  Connection connection = fresh_connection();
  {
    Pipeline pipe(connection);
    begin_inserts(pipe);
    send_insert(pipe, 1, "one");
  }
  CHECK_FALSE(connection.alive());
  CHECK_THROWS_AS(connection.exec("SELECT 1"), Error);
}

TEST_CASE("rows of all four types go in by COPY and come out the same") {
  Connection connection = fresh_connection();
  connection.exec("CREATE TABLE public.c(i bigint, r double precision, t text, b bytea)");
  const double infinity = std::numeric_limits<double>::infinity();
  const std::int64_t integers[] = {0, -1, std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max()};
  const double reals[] = {infinity, -infinity, -0.0, 4.9406564584124654e-324};
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes += static_cast<char>(i);
  std::string big;
  for (int i = 0; i < 12 * 1024; ++i) big += all_bytes;  // 3 MB
  const std::string texts[] = {"", "ü💩\x01", "it's \\N", std::string(70'000, 'x')};
  const std::string blobs[] = {"", all_bytes, big, std::string(1, '\0')};
  CopyIn in(connection, "COPY public.c FROM STDIN (FORMAT binary)");
  std::vector<std::string> sent;  // field by field, as raw values
  std::string tuples;
  for (std::size_t row = 0; row < 4; ++row) {
    const ValueView values[] = {{.kind = ValueClass::integer, .integer = integers[row]},
                                {.kind = ValueClass::real, .real = reals[row]},
                                {.kind = ValueClass::text, .bytes = texts[row]},
                                {.kind = ValueClass::blob, .bytes = blobs[row]}};
    append_tuple_head(tuples, 4);
    for (std::size_t i = 0; i < 4; ++i) {
      append_field(tuples, values[i], kTypes[i]);
      append_raw(sent.emplace_back(), values[i], kTypes[i]);
    }
  }
  append_tuple_head(tuples, 4);
  for (int i = 0; i < 4; ++i) append_field(tuples, {}, ColumnType::text);
  in.put(std::string_view(tuples).substr(0, 5));  // cut anywhere
  in.put(std::string_view(tuples).substr(5, 100'000));
  in.put(std::string_view(tuples).substr(100'005));
  CHECK(in.finish() == 5);
  CHECK(connection
            .exec("SELECT count(*) FROM public.c WHERE i = -9223372036854775808 OR r = '-inf' "
                  "OR (t = '' AND b = '') OR md5(b) = md5(NULL)")
            .integer(0, 0) == 3);

  CopyOut out(connection, "COPY (SELECT * FROM public.c) TO STDOUT (FORMAT binary)");
  std::vector<std::optional<std::string_view>> fields;
  for (std::size_t row = 0; row < 4; ++row) {
    REQUIRE(out.next(fields));
    REQUIRE(fields.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) CHECK((fields[i] && *fields[i] == sent[row * 4 + i]));
  }
  REQUIRE(out.next(fields));
  CHECK(fields == std::vector<std::optional<std::string_view>>(4, std::nullopt));
  CHECK_FALSE(out.next(fields));
  CHECK_FALSE(out.next(fields));
  CHECK(connection.exec("SELECT 1").integer(0, 0) == 1);
}

TEST_CASE("a COPY of nothing is no row in and no row out") {
  Connection connection = fresh_connection();
  CopyIn in(connection, "COPY public.t FROM STDIN (FORMAT binary)");
  CHECK(in.finish() == 0);
  CopyOut out(connection, "COPY public.t TO STDOUT (FORMAT binary)");
  std::vector<std::optional<std::string_view>> fields;
  CHECK_FALSE(out.next(fields));
}

TEST_CASE("many small puts arrive all") {
  Connection connection = fresh_connection();
  CopyIn in(connection, "COPY public.t(a) FROM STDIN (FORMAT binary)");
  for (std::int64_t i = 0; i < 100'000; ++i) {
    std::string tuple;
    append_tuple_head(tuple, 1);
    append_field(tuple, {.kind = ValueClass::integer, .integer = i}, ColumnType::bigint);
    in.put(tuple);
  }
  CHECK(in.finish() == 100'000);
  CHECK(connection.exec("SELECT sum(a) FROM public.t").integer(0, 0) == 4'999'950'000);
}

TEST_CASE("a COPY that is let go leaves nothing and the connection is of use") {
  Connection connection = fresh_connection();
  connection.exec("BEGIN; INSERT INTO public.t VALUES (1, 'one')");
  {
    CopyIn in(connection, "COPY public.t(a) FROM STDIN (FORMAT binary)");
    std::string tuples;
    for (std::int64_t i = 2; i < kStatements; ++i) {  // enough to be sent, not only kept
      append_tuple_head(tuples, 1);
      append_field(tuples, {.kind = ValueClass::integer, .integer = i}, ColumnType::bigint);
    }
    in.put(tuples);
  }
  CHECK(connection.commit() == CommitOutcome::aborted);
  CHECK(count_rows(connection) == 0);
}

TEST_CASE("errors in a COPY are told by finish() and by the start") {
  Connection connection = fresh_connection();
  const std::string sql = "COPY public.t(a) FROM STDIN (FORMAT binary)";
  std::string tuple;
  append_tuple_head(tuple, 1);
  append_field(tuple, {.kind = ValueClass::integer, .integer = 2}, ColumnType::bigint);
  {
    CopyIn in(connection, sql);
    in.put(tuple + tuple);
    try {
      in.finish();
      FAIL("a duplicate key was accepted");
    } catch (const Error& error) {
      CHECK(error.foreign() == "23505");
    }
  }
  CHECK_THROWS_AS(CopyIn(connection, "COPY public.nosuch FROM STDIN (FORMAT binary)"), Error);
  CHECK(count_rows(connection) == 0);
  CopyIn in(connection, sql);
  in.put(tuple);
  shutdown(connection.descriptor(), SHUT_RDWR);
  try {
    in.finish();
    FAIL("a lost connection was not noticed");
  } catch (const Error& error) {
    CHECK(error.code() == "LS-T201");
    CHECK(error.retry() == Retry::new_session);
  }
}

TEST_CASE("reading can stop early or fail late") {
  Connection connection = fresh_connection();
  std::vector<std::optional<std::string_view>> fields;
  {
    CopyOut out(connection,
                "COPY (SELECT generate_series(1, 1000000000)) TO STDOUT (FORMAT binary)");
    REQUIRE(out.next(fields));
    CHECK(*fields[0] == std::string_view("\0\0\0\1", 4));
  }
  CHECK(connection.exec("SELECT 1").integer(0, 0) == 1);
  CopyOut out(connection,
              "COPY (SELECT 1 / (5 - g) FROM generate_series(1, 9) g) TO STDOUT (FORMAT binary)");
  for (int i = 0; i < 4; ++i) REQUIRE(out.next(fields));
  CHECK_THROWS_AS(out.next(fields), Error);
  CHECK(connection.exec("SELECT 1").integer(0, 0) == 1);
}

}  // namespace lockstep::postgres
