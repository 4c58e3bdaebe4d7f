// What lies between the parts in a run: sometimes a network between capture and apply, sometimes a
// way to the server that ends where it hurts.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/nemesis/faults.hpp"
#include "tests/nemesis/target.hpp"
#include "tests/support/postgres_proxy.hpp"
#include "tests/support/tcp_proxy.hpp"

namespace lockstep::nemesis {

enum class Layout { one_process, ipc, tcp };

class Surroundings {
 public:
  /// `folder` is where keys and sockets may lie. The dice decide the layout, and whether the server
  /// is reached through a proxy; with a standby it is not.
  Surroundings(Target& target, bool standby, const std::string& folder, std::mt19937_64& random);

  /// The arguments of lockstep's processes.
  [[nodiscard]] std::vector<std::vector<std::string>> commands(const std::string& file,
                                                               const std::string& database) const;
  /// Does what a network does; nothing if there is none in this run.
  void strike(Fault fault, std::mt19937_64& random);
  /// No more storms.
  void clear();
  [[nodiscard]] std::string words() const;

 private:
  [[nodiscard]] std::string endpoint() const;
  [[nodiscard]] std::string key(const char* whose) const { return folder_ + "/" + whose; }

  Target& target_;
  std::string folder_;
  Layout layout_;
  std::uint16_t port_ = 0;
  std::unique_ptr<test::TcpProxy> network_;
  std::unique_ptr<test::PostgresProxy> way_to_server_;
};

}  // namespace lockstep::nemesis
