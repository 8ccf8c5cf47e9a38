#include "data/decode_jpeg.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h takes it for granted

#include <jerror.h>
#include <jpeglib.h>

#include <array>

#include "core/check.h"

namespace resgrad::data {
namespace {

// A warning of libjpeg after which the picture is what it was meant to be. All others are about
// data that is missing or cannot be, in the place of which libjpeg goes on with something grey.
bool is_harmless(int warning) {
  return warning == JWRN_NOT_SEQUENTIAL || warning == JWRN_EXTRANEOUS_DATA ||
         warning == JWRN_JFIF_MAJOR || warning == JWRN_ADOBE_XFORM;
}

// Each block of 64 pixels takes a bit at least. Where the components are sampled differently, each
// with fewer samples in another direction, one block stands for two.
constexpr std::int64_t kMostPixelsOfAByte = 64 * 8 * 2;

// libjpeg has no way to end a failed call but to jump out of it, which runs no destructor: the
// functions that call it have no variable that needs one, and what they share lies here.
struct JpegReader {
  jpeg_error_mgr callbacks{};
  std::jmp_buf jump{};
  std::array<char, JMSG_LENGTH_MAX> error{};
  jpeg_decompress_struct jpeg{};

  JpegReader() {
    jpeg.err = jpeg_std_error(&callbacks);
    jpeg.client_data = this;
    callbacks.error_exit = fail;
    callbacks.emit_message = [](j_common_ptr any, int level) {
      if (level < 0 && !is_harmless(any->err->msg_code)) fail(any);
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  [[noreturn]] static void fail(j_common_ptr any) {
    auto* reader = static_cast<JpegReader*>(any->client_data);
    any->err->format_message(any, reader->error.data());
    std::longjmp(reader->jump, 1);
  }
};

bool read_header(JpegReader& reader, const unsigned char* data, unsigned long size) {
  if (setjmp(reader.jump) != 0) return false;
  jpeg_create_decompress(&reader.jpeg);
  jpeg_mem_src(&reader.jpeg, data, size);
  jpeg_read_header(&reader.jpeg, TRUE);
  return true;
}

bool read_rows(JpegReader& reader, JSAMPROW pixels) {
  if (setjmp(reader.jump) != 0) return false;
  reader.jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&reader.jpeg);
  while (reader.jpeg.output_scanline < reader.jpeg.output_height) {
    JSAMPROW row = pixels + std::size_t{3} * reader.jpeg.output_width * reader.jpeg.output_scanline;
    jpeg_read_scanlines(&reader.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reader.jpeg);
  return true;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name) {
  JpegReader reader;
  const auto check = [&](bool ok) {
    require<IoError>(ok, "image: {}: expected a JPEG without errors, got: {}", name,
                     reader.error.data());
  };
  check(read_header(reader, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
  require<IoError>(
      reader.jpeg.jpeg_color_space != JCS_CMYK && reader.jpeg.jpeg_color_space != JCS_YCCK,
      "image: {}: expected a JPEG of grey or RGB colours, got CMYK", name);
  Image image = make_image(reader.jpeg.image_height, reader.jpeg.image_width, name,
                           std::ssize(bytes) * kMostPixelsOfAByte);
  check(read_rows(reader, image.pixels.data()));
  return image;
}

}  // namespace resgrad::data
