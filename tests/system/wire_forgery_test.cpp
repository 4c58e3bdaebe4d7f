// Messages that are lost, repeated, exchanged, cut, forged or replayed by somebody who has the keys
// of both ends: each is refused by name and counted, nothing of it is applied, and the next session
// goes on from the ledger.
#include <atomic>

#include "link/wire/control.hpp"
#include "tests/support/fault.hpp"
#include "tests/system/wire_relay.hpp"

namespace lockstep::test {
namespace {

using wire::encode;
using wire::encode_batch_begin;
using wire::Kind;
using wire::Message;
using Way = Relay::Way;

PostgresServer& server() {
  static PostgresServer one;
  return one;
}

constexpr char kWork[] =
    "UPDATE ohlcv_data SET close = close + 1 WHERE id % 7 = 1; UPDATE accounts SET balance = "
    "balance + 1";

/// One pair of hosts with a relay between them, and what is done to their messages.
class Forgery {
 public:
  explicit Forgery(const std::string& name) : hosts_(server(), name), relay_(hosts_) {
    hosts_.start_capture();
    hosts_.start_apply(relay_.port());
    hosts_.require_same();
  }

  /// Does `change` to the first message of `kind` that comes that way after new work was written.
  /// Both go on, the next session mends it, and everything arrives.
  void once(Way way, Kind kind,
            const std::function<std::vector<std::string>(const Message&)>& change) {
    std::atomic<bool> done = false;
    relay_.set([&](Way goes, const std::string& frame) -> std::vector<std::string> {
      if (done || goes != way) return {frame};
      const Message message = wire::decode(frame);
      if (message.kind != kind) return {frame};
      done = true;
      return change(message);
    });
    hosts_.write(kWork);
    const bool met = wait_until(
        [&] {
          hosts_.write("UPDATE counter SET n = n + 1");
          return done.load();
        },
        20s, 20ms);
    INFO("capture says: " << hosts_.capture().error_output());
    INFO("apply says: " << hosts_.apply().error_output());
    REQUIRE(met);
    go_on_after_a_halt();
    hosts_.require_same();
    relay_.set(nullptr);
  }
  /// Likewise, with a forged body that has a right header and checksum.
  void forge(Way way, Kind kind, const std::function<std::string(const std::string&)>& body) {
    once(way, kind, [&](const Message& message) {
      Message forged = message;
      forged.body = body(message.body);
      return std::vector{encode(forged)};
    });
  }
  Hosts& hosts() { return hosts_; }
  Relay& relay() { return relay_; }
  std::int64_t refused_by_capture() { return hosts_.status().value("refused", std::int64_t{-1}); }

  [[nodiscard]] int halts() const { return halts_; }

 private:
  // What no retry can mend stops apply by name (table numbers that it does not know, for instance);
  // a person starts it again. It never dies of a message.
  void go_on_after_a_halt() {
    relay_.set(nullptr);
    if (!hosts_.apply().wait(200ms)) return;
    const auto end = hosts_.apply().wait(1s);
    INFO("apply says: " << hosts_.apply().error_output());
    REQUIRE(end == ExitStatus{.code = 7});
    REQUIRE_THAT(hosts_.apply().error_output(), Catch::Contains("error[LS-"));
    ++halts_;
    hosts_.start_apply(relay_.port());
  }

  Hosts hosts_;
  Relay relay_;
  int halts_ = 0;
};

Position elsewhere(Position position) {
  position.identity ^= 1;
  return position;
}

}  // namespace

TEST_CASE("lost, repeated and exchanged messages end a session, and the next one mends it") {
  Forgery forgery("lost");
  const auto nothing = [](const Message&) { return std::vector<std::string>{}; };
  const auto twice = [](const Message& message) {
    return std::vector{encode(message), encode(message)};
  };
  for (const Kind kind : {Kind::batch_begin, Kind::batch_rows, Kind::batch_end})
    forgery.once(Way::to_apply, kind, nothing);
  forgery.once(Way::to_capture, Kind::ack, nothing);
  saw_fault("T1", "GO: numbers show the gap (LS-W506), a new session goes on from the ledger");

  for (const Kind kind : {Kind::batch_rows, Kind::batch_end})
    forgery.once(Way::to_apply, kind, twice);
  forgery.once(Way::to_capture, Kind::ack, twice);
  std::string kept;
  forgery.once(Way::to_apply, Kind::batch_rows, [&](const Message& message) {
    Message later = message;
    ++later.number;  // exchanged with the one behind it
    return std::vector{encode(later)};
  });
  saw_fault("T2",
            "GO: numbers show what came twice or early (LS-W506); the ledger's position decides");
}

TEST_CASE(
    "forged messages with right checksums are refused, counted, and nothing of them applied") {
  Forgery forgery("forged");
  const auto before = query(forgery.hosts().dsn(), "SELECT count(*) FROM ohlcv_data").at(0).at(0);
  forgery.forge(Way::to_apply, Kind::batch_begin, [](const std::string& body) {
    return encode_batch_begin({elsewhere(wire::decode_batch_begin(body).from)});
  });
  forgery.forge(Way::to_apply, Kind::batch_begin, [](const std::string& body) {
    Position from = wire::decode_batch_begin(body).from;
    from.seq -= 1;
    return encode_batch_begin({from});
  });
  forgery.forge(Way::to_apply, Kind::batch_end, [](const std::string& body) {
    wire::BatchEnd end = wire::decode_batch_end(body);
    ++end.entries;
    return encode_batch_end(end);
  });
  // Rows: another table, a damaged entry, a cut one, rubbish, nothing.
  forgery.forge(Way::to_apply, Kind::batch_rows, [](std::string body) {
    body[0] = static_cast<char>(body[0] ^ 0x40);
    return body;
  });
  forgery.forge(Way::to_apply, Kind::batch_rows, [](std::string body) {
    body[4] = static_cast<char>(body[4] ^ 0x7f);
    return body;
  });
  forgery.forge(Way::to_apply, Kind::batch_rows,
                [](const std::string& body) { return body.substr(0, body.size() - 1); });
  forgery.forge(Way::to_apply, Kind::batch_rows,
                [](const std::string&) { return std::string(5'000, '\xee'); });
  forgery.forge(Way::to_apply, Kind::batch_begin,
                [](const std::string&) { return std::string(7, 'x'); });
  forgery.once(Way::to_apply, Kind::batch_end, [](const Message& message) {
    return std::vector{encode(message).substr(0, 50)};  // cut
  });
  forgery.once(Way::to_apply, Kind::batch_rows, [](const Message& message) {
    std::string frame = encode(message);
    frame.back() = static_cast<char>(frame.back() ^ 1);  // memory that flips after CURVE
    return std::vector{frame};
  });
  forgery.once(Way::to_apply, Kind::batch_end, [](const Message& message) {
    Message reset{Kind::batch_reset, message.session, message.number,
                  wire::encode_batch_reset({4'711})};
    return std::vector{encode(reset)};
  });
  CHECK(query(forgery.hosts().dsn(), "SELECT count(*) FROM ohlcv_data").at(0).at(0) == before);

  // The other way: what a broken or hostile apply could say to capture.
  const std::int64_t refused = forgery.refused_by_capture();
  forgery.once(Way::to_capture, Kind::ack,
               [](const Message& message) { return std::vector{encode(message).substr(0, 41)}; });
  forgery.forge(Way::to_capture, Kind::ack,
                [](const std::string&) { return std::string("short"); });
  forgery.forge(Way::to_capture, Kind::ack, [](const std::string& body) {
    Position far = wire::decode_position(body);
    far.seq += 1'000'000;
    return wire::encode_position(far);
  });
  forgery.once(Way::to_capture, Kind::ack, [](const Message& message) {
    return std::vector{encode({Kind::batch_end, message.session, message.number, {}})};
  });
  forgery.once(Way::to_capture, Kind::ack, [](const Message& message) {
    return std::vector{
        encode({Kind::copy, message.session, message.number, R"({"tables":[{"table":4711}]})"})};
  });
  forgery.once(Way::to_capture, Kind::ack, [](const Message& message) {
    return std::vector{
        encode({Kind::copy, message.session, message.number,
                R"({"tables":[{"table":1,"after":[["text","a"],["text","b"],["null",null]]}]})"})};
  });
  forgery.once(Way::to_capture, Kind::ack, [](const Message& message) {
    return std::vector{
        encode({Kind::follow, message.session, message.number, std::string(32, '\x11')})};
  });
  REQUIRE(wait_until([&] { return forgery.refused_by_capture() >= refused + 6; }, 5s));
  saw_fault(
      "H5",
      "REFUSE: by name, counted, nothing is applied; the next session goes on, or apply stops "
      "with 7 where only a person can tell (LS-W505, LS-S310); capture always serves on");
  saw_fault("H7",
            "REFUSE: rows of tables that the plan does not have, and entries that do not fit it");
  saw_fault("H8",
            "REFUSE: an ack of what was not sent is refused and counted; the change table is "
            "pruned by true ones alone");
}

TEST_CASE("recorded messages are refused when they come again") {
  Forgery forgery("replayed");
  std::vector<Message> batch, asked;
  forgery.relay().set([&](Way way, const std::string& frame) -> std::vector<std::string> {
    const Message message = wire::decode(frame);
    if (way == Way::to_apply && message.kind >= Kind::batch_begin &&
        message.kind <= Kind::batch_end)
      batch.push_back(message);
    if (way == Way::to_capture && message.kind == Kind::ack) asked.push_back(message);
    return {frame};
  });
  forgery.hosts().write("UPDATE ohlcv_data SET volume = -5 WHERE id = 1");
  forgery.hosts().require_same();
  forgery.relay().set(nullptr);
  REQUIRE(batch.size() >= 3);
  REQUIRE_FALSE(asked.empty());
  forgery.hosts().write("UPDATE ohlcv_data SET volume = 6 WHERE id = 1");
  forgery.hosts().require_same();

  // As they were: they belong to no session, or to this one a second time.
  forgery.once(Way::to_apply, Kind::batch_begin, [&](const Message& message) {
    std::vector<std::string> frames;
    for (const Message& old : batch) frames.push_back(encode(old));
    frames.push_back(encode(message));
    return frames;
  });
  // With the present session's number and counters: only the position can tell.
  forgery.once(Way::to_apply, Kind::batch_begin, [&](const Message& message) {
    std::vector<std::string> frames;
    std::uint64_t number = message.number;
    for (const Message& old : batch)
      frames.push_back(encode({old.kind, message.session, number++, old.body}));
    return frames;
  });
  forgery.once(Way::to_capture, Kind::ack, [&](const Message& message) {
    return std::vector{encode(message),
                       encode({Kind::ack, message.session, message.number + 1, asked[0].body})};
  });
  CHECK(query(forgery.hosts().dsn(), "SELECT volume FROM ohlcv_data WHERE id = 1").at(0).at(0) ==
        "6");
  saw_fault("H6",
            "REFUSE: recorded batches and acks fit no position (LS-R705, LS-W506); nothing of "
            "them is applied");
}

}  // namespace lockstep::test
