#include "tests/nemesis/surroundings.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "tests/support/process.hpp"

namespace lockstep::nemesis {

using test::TcpProxy;
using namespace std::chrono_literals;

namespace {

void generate_key(const std::string& path) {
  const test::Outcome made = test::run({LOCKSTEP_BINARY, "keys", "generate", path});
  if (made.status.code != 0) throw std::runtime_error("no keys: " + made.error_output);
}

}  // namespace

Surroundings::Surroundings(Target& target, bool standby, const std::string& folder,
                           std::mt19937_64& random)
    : target_(target), folder_(folder), layout_(static_cast<Layout>(random() % 3)) {
  if (layout_ == Layout::tcp) {
    generate_key(key("capture"));
    generate_key(key("apply"));
    port_ = test::free_port();
    network_ = std::make_unique<TcpProxy>(port_);
  }
  if (random() % 3 == 0 && !standby)
    way_to_server_ =
        std::make_unique<test::PostgresProxy>(target.server().folder().string() + "/.s.PGSQL.5432");
}

std::vector<std::vector<std::string>> Surroundings::commands(const std::string& file,
                                                             const std::string& database) const {
  const std::string dsn = way_to_server_ ? fmt::format("host={} dbname={} user=postgres",
                                                       way_to_server_->host(), database)
                                         : target_.address(database);
  if (layout_ == Layout::one_process) return {{"run", file, dsn}};
  std::vector<std::string> capture{"capture", file, "--listen"};
  std::vector<std::string> apply{"apply", "--connect"};
  if (layout_ == Layout::ipc) {
    capture.push_back("ipc://" + folder_ + "/wire");
    apply.push_back(capture.back());
  } else {
    capture.insert(capture.end(), {fmt::format("tcp://127.0.0.1:{}", port_), "--key",
                                   key("capture"), "--allow", key("apply") + ".pub"});
    apply.insert(apply.end(), {fmt::format("tcp://127.0.0.1:{}", network_->port()), "--key",
                               key("apply"), "--server-key", key("capture") + ".pub"});
  }
  apply.push_back(dsn);
  return {capture, apply};
}

void Surroundings::strike(Fault fault, std::mt19937_64& random) {
  const auto way = random() % 2 == 0 ? TcpProxy::Way::to_server : TcpProxy::Way::to_client;
  const std::uint64_t soon = random() % 5'000;
  if (fault == Fault::answer_lost && way_to_server_)
    way_to_server_->swallow_commits(1 + static_cast<int>(random() % 2));
  if (fault == Fault::server_unheard && way_to_server_) way_to_server_->cut_clients();
  if (!network_) return;
  if (fault == Fault::wire_reset) network_->set(way, {.reset_after = soon});
  if (fault == Fault::wire_flip) network_->set(way, {.flip_after = soon});
  if (fault == Fault::wire_frozen) network_->set(way, {.frozen = true});
  if (fault == Fault::wire_cable) network_->pull_cable();
  if (fault == Fault::wire_slow)
    network_->set(
        way, {.latency = std::chrono::milliseconds{random() % 60}, .segment = 1 + random() % 40});
}

void Surroundings::clear() {
  if (network_) network_->clear();
  if (way_to_server_) way_to_server_->swallow_commits(0);
}

std::string Surroundings::words() const {
  constexpr std::array kLayouts{"one process", "two over ipc", "two over tcp"};
  return fmt::format("{}{}", kLayouts.at(static_cast<std::size_t>(layout_)),
                     way_to_server_ ? ", proxy before PostgreSQL" : "");
}

}  // namespace lockstep::nemesis
