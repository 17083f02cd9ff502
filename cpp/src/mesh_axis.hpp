// A smooth plane through a mesh of boxes, row by row.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fleck/mesh_statistics.hpp"

namespace fleck {

// Where the pixels [first, last) of an axis of `size` lie between box centres: pixel first + i is at weight[i] of the
// way from centre node[i] to the next; begin[k] is the first i whose node is k or a later one.
struct MeshAxis {
  std::vector<std::int64_t> node, begin{0};
  std::vector<double> weight;

  MeshAxis(std::int64_t size, std::int64_t box, std::int64_t first, std::int64_t last)
      : node(last - first), weight(last - first) {
    box = std::min(box, size);
    const std::int64_t boxes = mesh_size(size, box);
    const auto centre = [&](std::int64_t k) {
      return 0.5 * static_cast<double>(k * box + std::min((k + 1) * box, size) - 1);
    };
    for (std::int64_t i = 0, k = 0; i < last - first; ++i) {
      const double at = static_cast<double>(first + i);
      for (; k + 1 < boxes && at >= centre(k + 1); ++k) begin.push_back(i);
      node[i] = k;
      const bool between = k + 1 < boxes && at >= centre(k);
      weight[i] = between ? (at - centre(k)) / (centre(k + 1) - centre(k)) : 0.0;
    }
    begin.resize(boxes + 1, last - first);
  }
};

// Rows of the plane through a mesh: what interpolate_mesh writes, in a part of the image.
class MeshRows {
 public:
  MeshRows(View2D<const double> mesh, const MeshAxis& down, const MeshAxis& across)
      : mesh_(mesh), down_(down), across_(across), line_(mesh.cols + 1) {}

  // Row i of the part: as many values as `across` has pixels.
  void row(std::int64_t i, float* out);

 private:
  View2D<const double> mesh_;
  const MeshAxis &down_, &across_;
  std::vector<double> line_;
};

}  // namespace fleck
