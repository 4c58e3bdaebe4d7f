// Wakes a wait() from another thread.
#pragma once

namespace lockstep::wire {

/// ring() may be called from any thread, and stays rung until silence(): a wait() that has
/// descriptor() among its descriptors returns at once meanwhile.
class Bell {
 public:
  Bell();
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() noexcept;
  /// Until the next ring().
  void silence() noexcept;
  /// -1 if the system gave none: then a wait ends by its patience only.
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace lockstep::wire
