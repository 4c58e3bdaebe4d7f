// A way between two programs that does to their bytes what networks do. No root, no kernel module.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace lockstep::test {

/// What happens to the bytes that go one way. Counted per connection, from its first byte on.
struct Weather {
  std::chrono::milliseconds latency{0};
  std::size_t segment = 0;           ///< at most so many bytes in one write; 0: as they come
  std::size_t bytes_per_second = 0;  ///< 0: no limit
  bool frozen = false;               ///< nothing goes on, nothing is lost, no connection ends
  std::optional<std::uint64_t> reset_after = {};  ///< RST to both sides after so many bytes
  std::optional<std::uint64_t> flip_after = {};   ///< one bit of the byte after so many is turned
};

/// 127.0.0.1 only. Its thread lives as long as it does. All members may be called from any thread.
class TcpProxy {
 public:
  enum class Way { to_server, to_client };

  /// Passes what connects to port() on to 127.0.0.1:`server_port`; nobody has to listen there yet.
  explicit TcpProxy(std::uint16_t server_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// For connections that are there and those to come. reset_after and flip_after count from now
  /// on in a connection that is there; each happens once, then the weather has it no more.
  void set(Way way, const Weather& weather);
  /// The pulled cable: connections that are there hang for ever, without an end; new ones pass.
  void pull_cable();
  /// The storm passed; cables stay pulled.
  void clear();

  [[nodiscard]] std::uint64_t accepted() const;
  [[nodiscard]] std::uint64_t carried(Way way) const;  ///< bytes
  [[nodiscard]] std::uint64_t resets() const;
  [[nodiscard]] std::uint64_t flips() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A port of 127.0.0.1 and ::1 that nobody listens on now, outside of those the system gives away.
[[nodiscard]] std::uint16_t free_port();

}  // namespace lockstep::test
