// The steps that text goes through before words are split.
#include <gtest/gtest.h>

#include "data/char_class.h"
#include "data/html_unescape.h"
#include "data/text_normalize.h"
#include "data/utf8.h"

namespace octet::data {
namespace {

/// Ill-formed sequences of the Unicode standard's table of maximal subparts, and Python's results.
TEST(Utf8, IllFormedStretchesBecomeOneReplacementEach) {
  EXPECT_EQ(decode_utf8("a\x80z"), U"a\uFFFDz");
  EXPECT_EQ(decode_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), U"\uFFFD\uFFFD\uFFFD\uFFFDA");
  EXPECT_EQ(decode_utf8("\xC0\xAF\xE0\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");  // overlong
  EXPECT_EQ(decode_utf8("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(decode_utf8("\xF4\x90\x80\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  EXPECT_EQ(decode_utf8("x\xF0\x9F"), U"x\uFFFD");
}

TEST(Utf8, EveryLengthSurvivesARoundTrip) {
  const std::u32string text = U"\x01\x7F\x80\u07FF\u0800\uFFFF\U00010000\U0010FFFF";
  std::string bytes;
  for (const char32_t c : text) append_utf8(c, bytes);
  EXPECT_EQ(bytes.size(), 1 + 1 + 2 + 2 + 3 + 3 + 4 + 4);
  EXPECT_EQ(decode_utf8(bytes), text);
}

TEST(Html, NamedReferences) {
  EXPECT_EQ(unescape_html(U"caf&eacute; &lt;b&gt; &AMP"), U"café <b> &");
  EXPECT_EQ(unescape_html(U"&notin; &notit; &ampamp;"), U"\u2209 ¬it; &amp;");
  EXPECT_EQ(unescape_html(U"&NotEqualTilde;"), U"\u2242\u0338");
  EXPECT_EQ(unescape_html(U"&CounterClockwiseContourIntegral;"), U"\u2233");
  EXPECT_EQ(unescape_html(U"&nothing; & &; &\u00E9; &"), U"¬hing; & &; &\u00E9; &");
  EXPECT_EQ(unescape_html(U"&zzz; &a"), U"&zzz; &a");
}

TEST(Html, NumericReferences) {
  EXPECT_EQ(unescape_html(U"&#233;&#xE9;&#XE9 &#65b"), U"ééé Ab");
  EXPECT_EQ(unescape_html(U"&#x80;&#150;&#x81;"), U"\u20AC\u2013\x81");
  EXPECT_EQ(unescape_html(U"&#0;&#xD800;&#x110000;&#99999999999999999999;"),
            U"\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(unescape_html(U"a&#1;b&#xFDD0;c&#x1FFFE;d&#13;"), U"abcd\r");
  EXPECT_EQ(unescape_html(U"&#; &#x; &#g; &#"), U"&#; &#x; &#g; &#");
}

TEST(Normalize, ComposesInCanonicalOrder) {
  EXPECT_EQ(compose(U"cafe\u0301"), U"café");
  EXPECT_EQ(compose(U"\u1100\u1161\u11A8"), U"\uAC01");
  EXPECT_EQ(compose(U"\u2126\u0344"), U"\u03A9\u0308\u0301");
  EXPECT_EQ(compose(U"q\u0307\u0323"), U"q\u0323\u0307");
  EXPECT_EQ(compose(U"\u0958"), U"\u0915\u093C");  // excluded from composition
}

TEST(Normalize, LowerCase) {
  EXPECT_EQ(lower_each(U"ÀΣ\u0130\u1E9E\u212A"), U"àσi\u0307ßk");
  EXPECT_EQ(lower_in_context(U"\u0130\u212A"), U"i\u0307k");
}

TEST(Normalize, FinalSigma) {
  EXPECT_EQ(lower_in_context(U"ΑΣ ΣΑΣ Σ"), U"ας σας σ");
  EXPECT_EQ(lower_in_context(U"ΑΣ'Α"), U"ασ'α");  // the apostrophe is ignored
  EXPECT_EQ(lower_in_context(U"ΑΣ' Α"), U"ας' α");
  EXPECT_EQ(lower_in_context(U"Α\u0301Σ"), U"α\u0301ς");
  EXPECT_EQ(lower_in_context(U"1Σ"), U"1σ");
  EXPECT_EQ(lower_in_context(U"\u24B6Σ"), U"\u24D0ς");  // cased, though no letter
}

TEST(Normalize, StripTakesPythonsWhiteSpace) {
  EXPECT_EQ(strip(U"\x1C\u3000 a\x1F b\x85\x1F"), U"a\x1F b");
  EXPECT_EQ(strip(U" \t"), U"");
  EXPECT_EQ(strip(U""), U"");
}

TEST(CharClass, FollowsUnicodeCategories) {
  EXPECT_EQ(char_class(U'ª'), CharClass::letter);
  EXPECT_EQ(char_class(U'猫'), CharClass::letter);
  EXPECT_EQ(char_class(U'½'), CharClass::number);
  EXPECT_EQ(char_class(U'Ⅷ'), CharClass::number);
  EXPECT_EQ(char_class(0x85), CharClass::space);
  EXPECT_EQ(char_class(0x1C), CharClass::other);
  EXPECT_EQ(char_class(0x200B), CharClass::other);
  EXPECT_EQ(char_class(0x301), CharClass::other);
  EXPECT_EQ(char_class(0), CharClass::other);
}

}  // namespace
}  // namespace octet::data
