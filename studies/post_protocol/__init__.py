"""How "84 % precision and recall" came about: the blog post's protocol, rebuilt and taken apart.

The post of 2019 on harmonic networks for HAM10000 drew its training and its test images in two
independent, unseeded draws of 85 % and 15 %, so most test images were training images; it drew the
test images anew with equal class frequencies; it chose the epoch on them; and its precision and
recall were micro averages, which both equal accuracy. This does the same, with the post's network,
optimizer and loss, and then asks what the post did not: how right is the chosen network on images,
and on lesions, that it never saw?

What differs from the post: the two draws have seeds; every layer transforms each of its channels,
where the post's summed them first (288 thousand weights in the convolutions against about five
thousand; the linear layers hold 8.5 million in both); filters are orthonormal, the post's were not
normalised; no hair is removed and no edges are drawn in; it trains in bfloat16, for 40 epochs
instead of 300.
"""
