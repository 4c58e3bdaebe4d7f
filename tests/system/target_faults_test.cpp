// The target fails, waits, is full, is locked, or is set up by somebody with other ideas: lockstep
// goes on exactly, or waits by name.
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "link/postgres/connection.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off", "max_prepared_transactions=5"}};
  return running;
}

postgres::Connection session(const std::string& dsn, const std::string& name) {
  postgres::Connection connection = postgres::Connection::open(postgres::parse_dsn(dsn), "test");
  connection.exec("SET application_name = '" + name + "'");
  return connection;
}

std::string as_role(const std::string& dsn, const std::string& role) {
  std::string changed = dsn;
  return changed.replace(changed.find("postgres@"), 8, role);
}

const char kOurs[] = "application_name LIKE 'lockstep apply%'";

void end_our_backends(const std::string& database, const char* how = "pg_terminate_backend") {
  server().query(fmt::format("SELECT {}(pid) FROM pg_stat_activity WHERE datname = '{}' AND {}",
                             how, database, kOurs));
}

bool ours_waits_for_a_lock(const std::string& database) {
  return wait_until(
      [&] {
        return !server()
                    .value(fmt::format("SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND "
                                       "{} AND wait_event_type = 'Lock'",
                                       database, kOurs))
                    .empty();
      },
      20s);
}

}  // namespace

TEST_CASE("a server that is stopped, killed, or loses a backend is waited for") {
  PostgresServer alone;
  Followed both("gone", alone.create_database("gone"));
  both.start_and_catch_up();
  alone.stop_immediate();
  both.write_some();
  // First the connection was lost, then there was no other.
  REQUIRE(wait_until(
      [&] {
        return both.awaits("LS-T201")["what"].get<std::string>().find("cannot reach") !=
               std::string::npos;
      },
      20s));
  alone.start();
  both.caught_up();
  alone.kill_hard();
  both.write_some();
  alone.start();
  both.caught_up();
  // As the kernel does it when memory is short: the server restarts all its processes.
  const std::string pid =
      alone.value(fmt::format("SELECT pid FROM pg_stat_activity WHERE {}", kOurs));
  REQUIRE(::kill(std::stoi(pid), SIGKILL) == 0);
  both.write_some();
  both.caught_up();
  CHECK(both.status()["awaited"].is_null());
  both.stop();
  saw_fault("A3", "GO: waits as LS-T201, connects again and goes on from the ledger");
  saw_fault("A13", "GO: a killed backend restarts the server; goes on from the ledger");
}

TEST_CASE("backends that are ended and statements that are cancelled all the time are only slow") {
  Followed both("ended", server().create_database("ended"));
  both.start_and_catch_up();
  for (int round = 0; round < 40; ++round) {
    both.write_some();
    end_our_backends("ended", round % 2 == 0 ? "pg_terminate_backend" : "pg_cancel_backend");
  }
  both.caught_up();
  CHECK(both.status()["reconnects"].get<int>() > 0);
  both.stop();
  saw_fault("A4", "GO: a new session each time, goes on from the ledger");
}

TEST_CASE("a deadlock with somebody else's transaction costs a retry of the same batch") {
  Followed both("deadlock", server().create_database("deadlock"));
  both.start_and_catch_up();
  auto other = session(both.dsn(), "other");
  other.exec("SET deadlock_timeout = '1h'; BEGIN; UPDATE public.a SET n = n WHERE id = 2");
  both.write("UPDATE a SET n = n + 10 WHERE id IN (1, 2)");
  REQUIRE(ours_waits_for_a_lock("deadlock"));
  other.exec("UPDATE public.a SET n = n WHERE id = 1");  // until lockstep's transaction is ended
  REQUIRE(server().log().find("deadlock detected") != std::string::npos);
  other.exec("ROLLBACK");
  both.caught_up();
  both.stop();
  saw_fault("A6", "GO: the whole batch is rolled back and comes again");
}

TEST_CASE("a lock that others hold for long is waited for, and its holder is named") {
  Followed locked("locked", server().create_database("locked"));
  Followed prepared("prepared", server().create_database("prepared"));
  locked.start_and_catch_up();
  prepared.start_and_catch_up();
  auto holder = session(locked.dsn(), "maintenance");
  holder.exec("BEGIN; LOCK TABLE public.b IN ACCESS EXCLUSIVE MODE");
  server().query("BEGIN; UPDATE a SET n = n WHERE id = 1; PREPARE TRANSACTION 'stuck one'",
                 "prepared");
  locked.write_some();
  prepared.write_some();
  const auto first = locked.awaits("LS-T213");
  CHECK(first["what"].get<std::string>().find("(maintenance) holds b (AccessExclusiveLock)") !=
        std::string::npos);
  const auto stuck = prepared.awaits("LS-T213");
  INFO(first.dump() << stuck.dump());
  CHECK(stuck["what"].get<std::string>().find("prepared transaction 'stuck one' of") !=
        std::string::npos);
  const Outcome text = lockstep({"status", locked.file()});
  CHECK(text.output.find("waiting    since " + first["since"].get<std::string>() +
                         ": LS-T213: a lock on the target is held") != std::string::npos);
  // A second try changes nothing about since when.
  const int before = locked.status()["reconnects"];
  REQUIRE(wait_until([&] { return locked.status()["reconnects"].get<int>() > before; }, 20s));
  CHECK(locked.awaits("LS-T213")["since"] == first["since"]);
  holder.exec("ROLLBACK");
  server().query("ROLLBACK PREPARED 'stuck one'", "prepared");
  locked.caught_up();
  prepared.caught_up();
  CHECK(locked.status()["awaited"].is_null());
  locked.stop();
  prepared.stop();
  saw_fault("A7", "WAIT: LS-T213 names who holds which table, and since when it waits");
  saw_fault("A31", "WAIT: LS-T213 names the prepared transaction");
}

TEST_CASE("what a DBA set for a database does not reach lockstep") {
  const std::string dsn = server().create_database("odd");
  for (const char* setting :
       {"statement_timeout = 1", "lock_timeout = 1", "idle_in_transaction_session_timeout = 300",
        "idle_session_timeout = 300", "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on", "default_transaction_deferrable = on",
        "search_path = pg_temp", "client_encoding = 'LATIN1'", "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Kathmandu'", "bytea_output = 'escape'", "extra_float_digits = -15",
        "quote_all_identifiers = on", "standard_conforming_strings = off",
        "synchronous_commit = off", "row_security = on"})
    server().query(fmt::format("ALTER DATABASE odd SET {}", setting));
  Followed both("odd", dsn);
  both.write("INSERT INTO b VALUES ('é\\'' ', 5)");
  both.start();
  require_caught_up(both.process(), both.file());
  both.write_some();
  require_caught_up(both.process(), both.file());
  // (A busy machine may take a millisecond for the very statement that ends that limit.)
  const auto reconnects = both.status()["reconnects"];
  // It may rest for longer than idle sessions are granted (it asks for passes twice a second).
  REQUIRE(wait_until(
      [&] {
        return server().value(
                   fmt::format("SELECT 1 FROM pg_stat_activity WHERE datname = 'odd' AND "
                               "{} AND now() - state_change > '0.35 s'",
                               kOurs)) == "1";
      },
      20s));
  CHECK(both.status()["reconnects"] == reconnects);
  both.stop();
  const Rows settings = server().query(
      "SELECT setdatabase FROM pg_db_role_setting WHERE 'statement_timeout=1' = ANY (setconfig)");
  REQUIRE(settings.size() == 1);
  server().query("ALTER DATABASE odd RESET ALL");
  require_equal(both.file(), dsn);
  saw_fault("A8", "GO: sessions have settings of their own");
  saw_fault("A9", "GO: sessions are read committed; 40001 would be a retry");
  saw_fault("A38", "GO: sessions have settings of their own, values go in binary");
}

TEST_CASE("a database that is closed to connections for a while is waited for") {
  Followed both("closed", server().create_database("closed"));
  both.start_and_catch_up();
  server().query("ALTER DATABASE closed ALLOW_CONNECTIONS false");
  server().query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'closed'");
  both.write_some();
  // First it may say how the connection that it had was ended.
  CHECK(wait_until(
      [&] {
        const auto what = both.awaits("LS-T201")["what"].get<std::string>();
        return what.find("cannot reach PostgreSQL") != std::string::npos;
      },
      20s));
  server().query("ALTER DATABASE closed ALLOW_CONNECTIONS true");
  both.caught_up();
  both.stop();
}

TEST_CASE("a server that was set read-only is waited for; at the start it is said at once") {
  PostgresServer alone{{"fsync=off"}};
  Followed both("readonly", alone.create_database("readonly"));
  both.start_and_catch_up();
  const auto set = [&](const char* value) {
    alone.query(fmt::format("ALTER SYSTEM SET default_transaction_read_only = {}", value));
    alone.query("SELECT pg_reload_conf()");
  };
  set("on");
  // The server tells its processes to reload, one after the other.
  REQUIRE(
      wait_until([&] { return alone.value("SHOW default_transaction_read_only") == "on"; }, 10s));
  alone.query(
      fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {}", kOurs));
  both.write_some();
  const auto awaited = both.awaits("LS-T217");
  CHECK(awaited["what"].get<std::string>().find("read-only") != std::string::npos);
  CHECK(sqlite(both.file(), "SELECT count(*) FROM a").front() == "4");
  CHECK(alone.value("SELECT count(*) FROM a", "readonly") == "3");
  alone.query("ALTER SYSTEM RESET ALL");
  alone.query("SELECT pg_reload_conf()");
  both.caught_up();
  set("on");  // now in an open session
  REQUIRE(
      wait_until([&] { return alone.value("SHOW default_transaction_read_only") == "on"; }, 10s));
  both.write_some();
  CHECK(both.awaits("LS-T217")["code"] == "LS-T217");
  both.stop();
  const Outcome refused = lockstep({"run", both.file(), both.dsn()});
  require_code(refused, 5);
  CHECK(refused.error_output.find("LS-T217") != std::string::npos);
  saw_fault("A10", "WAIT: LS-T217 (read-only) or LS-T205 (in recovery); nothing is applied");
}

TEST_CASE("a server out of connections is waited for") {
  server().query("CREATE ROLE narrow LOGIN");
  const std::string dsn = as_role(server().create_database("narrow", "OWNER narrow"), "narrow");
  server().query("GRANT CREATE ON SCHEMA public TO narrow", "narrow");
  Followed both("narrow", dsn);
  both.start_and_catch_up();
  server().query("ALTER ROLE narrow CONNECTION LIMIT 0");
  end_our_backends("narrow");
  both.write_some();
  const auto awaited = both.awaits("LS-T209");
  CHECK(awaited["what"].get<std::string>().find("cannot connect") != std::string::npos);
  server().query("ALTER ROLE narrow CONNECTION LIMIT -1");
  both.caught_up();
  both.stop();
  saw_fault("A12", "WAIT: LS-T209 until there is a connection");
}

TEST_CASE("a target whose disk is full is waited for until there is room") {
  const TempDir folder;
  const std::string mount_point = folder.file("small");
  REQUIRE(::mkdir(mount_point.c_str(), 0700) == 0);
  if (::geteuid() != 0 || ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=12m") != 0) {
    skipped_fault("A11", "a small file system cannot be mounted here (needs root)");
    return;
  }
  struct Unmount {
    std::string path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } const unmount{mount_point};
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  struct stat owner {};
  REQUIRE(::stat(server().data_folder().c_str(), &owner) == 0);
  REQUIRE(::chown(mount_point.c_str(), owner.st_uid, owner.st_gid) == 0);
  server().query(fmt::format("CREATE TABLESPACE small LOCATION '{}'", mount_point));
  {
    Followed both("full", server().create_database("full", "TABLESPACE small"));
    both.start_and_catch_up();
    both.write(
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)"
        "INSERT INTO b SELECT hex(randomblob(1000)), i FROM c");
    const auto awaited = both.awaits("LS-T209");
    CHECK(awaited["what"].get<std::string>().size() > 0);
    CHECK(server().value("SELECT count(*) FROM b", "full") == "2");
    REQUIRE(::mount("tmpfs", mount_point.c_str(), "tmpfs", MS_REMOUNT, "size=200m") == 0);
    both.caught_up();
    both.stop();
  }
  server().query("DROP DATABASE \"full\" WITH (FORCE)");
  server().query("DROP TABLESPACE small");
  saw_fault("A11",
            "WAIT: LS-T209, the batch is rolled back whole and comes again when there is room");
}

TEST_CASE("a database that is not UTF-8 is refused; settings that lose commits are named") {
  const TempDir folder;
  for (const char* encoding : {"LATIN1", "SQL_ASCII"}) {
    Followed both(
        "encoding",
        server().create_database(
            encoding, fmt::format("TEMPLATE template0 ENCODING '{}' LOCALE 'C'", encoding)));
    const Outcome refused = lockstep({"run", both.file(), both.dsn()});
    require_code(refused, 3);
    CHECK(refused.error_output.find("LS-T205") != std::string::npos);
    CHECK(refused.error_output.find(encoding) != std::string::npos);
  }
  server().query("ALTER SYSTEM SET full_page_writes = off");
  server().query("SELECT pg_reload_conf()");
  REQUIRE(wait_until([&] { return server().value("SHOW full_page_writes") == "off"; }, 10s));
  Followed both("unsafe", server().create_database("unsafe"));
  const Outcome told = lockstep({"run", both.file(), both.dsn(), "--until", "caught-up", "--json"});
  require_code(told, 0);
  CHECK(told.output.find(R"("code":"LS-T216")") != std::string::npos);
  CHECK(told.output.find("fsync=off, full_page_writes=off") != std::string::npos);
  server().query("ALTER SYSTEM RESET ALL");
  saw_fault("A34", "REFUSE: LS-T205 names the encoding");
  saw_fault("A35", "GO: warning LS-T216 names the settings; synchronous_commit is our own");
}

TEST_CASE("a pooler is refused by name, whatever its pool mode") {
  const std::string mode = GENERATE(as<std::string>{}, "transaction", "session");
  if (::access("/usr/sbin/pgbouncer", X_OK) != 0) {
    skipped_fault("A25", "pgbouncer is not installed");
    return;
  }
  const std::string name = "pooled_" + mode;
  Followed both(name, server().create_database(name));
  const std::string folder = server().folder().string();  // the server's user may write there
  const std::string ini = folder + "/" + name + ".ini";
  {
    std::ofstream(folder + "/users.txt") << "\"postgres\" \"\"\n";
    std::ofstream(ini) << "[databases]\n* = host=" << folder
                       << "\n[pgbouncer]\nunix_socket_dir=" << folder
                       << "\nlisten_port=6432\nauth_type=trust\nauth_file=" << folder
                       << "/users.txt\nignore_startup_parameters=extra_float_digits\npool_mode="
                       << mode << "\ndefault_pool_size=1\n";
  }
  struct stat owner {};
  REQUIRE(::stat(server().data_folder().c_str(), &owner) == 0);
  ProcessOptions options{.directory = "/"};
  if (::geteuid() == 0) {
    options.user = owner.st_uid;
    options.group = owner.st_gid;
  }
  Process bouncer({"/usr/sbin/pgbouncer", ini}, options);
  const std::string dsn = both.dsn() + "?port=6432&user=postgres";
  REQUIRE(wait_until(
      [&] {
        return lockstep({"status", dsn}).error_output.find("LS-T201") == std::string::npos;
      },
      20s));
  const Outcome refused = lockstep({"run", both.file(), dsn});
  require_code(refused, 3);
  CHECK(refused.error_output.find("error[LS-T215]") != std::string::npos);
  CHECK(sqlite(both.file(),
               "SELECT count(*) FROM sqlite_master WHERE name LIKE '\\_lock%' ESCAPE "
               "'\\'")
            .front() == "0");
  bouncer.signal(SIGTERM);
  static_cast<void>(bouncer.wait(10s));
  saw_fault("A25", "REFUSE: LS-T215, in session mode too");
}

TEST_CASE("a lockstep that is stopped is called stalled, and goes on when it is continued") {
  Followed both("stalled", server().create_database("stalled"));
  both.start_and_catch_up();
  CHECK(both.status()["stalled"].is_null());
  both.process().signal(SIGSTOP);
  REQUIRE(wait_until(
      [&] {
        return both.status({"--stalled-after", "1s"})["stalled"].is_object();
      },
      20s));
  const auto stalled = both.status({"--stalled-after", "1s"})["stalled"];
  CHECK(stalled["what"].get<std::string>().find("last seen: streaming, applied") !=
        std::string::npos);
  // Which of its parts was heard last may be another one by now.
  CHECK(wait_until(
      [&] {
        const auto now = both.status({"--stalled-after", "1s"})["stalled"];
        return lockstep({"status", both.file(), "--stalled-after", "1s"})
                   .output.find("  stalled    since " + now["since"].get<std::string>()) !=
               std::string::npos;
      },
      20s));
  both.process().signal(SIGCONT);
  both.write_some();
  both.caught_up();
  CHECK(both.status()["stalled"].is_null());
  both.stop();
}

}  // namespace lockstep::test
