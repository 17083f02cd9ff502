#include "fleck/image.hpp"

#include "element.hpp"

namespace fleck {

template <class T>
void load_row(const Image& image, std::int64_t row, std::int64_t col0, std::int64_t n, T* out) {
  const std::byte* p = image.at(row, col0);
  const std::int64_t stride = image.col_stride;
  visit_type(image.dtype, image.swapped, [&]<class E, bool Swapped>() {
    const auto convert = [](const std::byte* q) {
      if constexpr (std::is_same_v<E, Half>)
        return static_cast<T>(to_float(read_element<E, Swapped>(q)));
      else
        return static_cast<T>(read_element<E, Swapped>(q));
    };
    if (stride == static_cast<std::int64_t>(sizeof(E))) {  // a loop the compiler can vectorise
      for (std::int64_t i = 0; i < n; ++i) out[i] = convert(p + i * sizeof(E));
    } else {
      for (std::int64_t i = 0; i < n; ++i) out[i] = convert(p + i * stride);
    }
  });
}

template void load_row<float>(const Image&, std::int64_t, std::int64_t, std::int64_t, float*);
template void load_row<double>(const Image&, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace fleck
