// Rows of an image where they lie or, if that is in a mapped file, from a buffer that is filled from the file: what is
// touched of a mapping counts as memory, and the system may map 2 MB of it at a touch.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "aligned.hpp"
#include "fleck/combine_stack.hpp"

namespace fleck {

class FileRows {
 public:
  FileRows(const Image& image, const MappedFile& file) : image_(image), file_(file) {
    const bool upright = 0 < image.col_stride && image.col_stride <= image.row_stride;
    if (file.descriptor < 0 || !upright || image.rows == 0 || image.data < file.begin) return;
    const std::int64_t row_size = image.cols * image.col_stride;
    if ((image.rows - 1) * image.row_stride + row_size > file.end - image.data) return;
    row_size_ = row_size;
    at_once_ = std::clamp<std::int64_t>(buffer_size / image.row_stride, 1, image.rows);
    buffer_.resize((at_once_ - 1) * image.row_stride + row_size);
  }

  // The row, as an image of one.
  Image row(std::int64_t row) {
    Image one = image_;
    one.rows = 1;
    if (!row_size_) {
      one.data = image_.at(row, 0);
      return one;
    }
    if (row < first_ || row >= end_) read(row);
    one.data = buffer_.data() + (row - first_) * image_.row_stride;
    return one;
  }

 private:
  static constexpr std::int64_t buffer_size = 1 << 15;

  void read(std::int64_t row) {
    first_ = end_ = row;  // until it has been read
    const std::int64_t end = std::min(image_.rows, row + at_once_);
    std::int64_t wanted = (end - row - 1) * image_.row_stride + row_size_;
    std::byte* to = buffer_.data();
    for (off_t from = image_.at(row, 0) - file_.begin; wanted > 0;) {
      const ssize_t got = ::pread(file_.descriptor, to, wanted, from);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw UnreadableFile(file_.descriptor, got < 0 ? errno : EIO);
      to += got, from += got, wanted -= got;
    }
    end_ = end;
  }

  Image image_;
  MappedFile file_;
  std::int64_t row_size_ = 0, at_once_ = 0;  // 0: rows are used where they lie
  std::int64_t first_ = 0, end_ = 0;          // rows that are in the buffer
  Aligned<std::byte> buffer_;
};

}  // namespace fleck
