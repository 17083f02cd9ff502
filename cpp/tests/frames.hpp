// What more than one test needs: frames, and what it means that two are the same.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "fleck/image.hpp"

inline fleck::Image image_of(const std::vector<float>& data, std::int64_t rows, std::int64_t cols) {
  return {reinterpret_cast<const std::byte*>(data.data()), rows, cols, cols * 4, 4, fleck::DType::f32, false};
}

// Uneven numbers in [0, 1), the same everywhere.
inline std::vector<float> noise(std::int64_t n) {
  std::vector<float> data(n);
  std::uint32_t state = 1;
  for (float& value : data) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / (1 << 24);
  }
  return data;
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}
