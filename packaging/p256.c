/* P-256's generator times a number, as any other point of the curve is multiplied: in place of what ring does for the
   generator alone, with 148 KiB of its multiples at hand. packaging/small has the linker put these where ring calls its own
   (--wrap), and then leaves the table out. A key agreement, a signature and its verification together take 1.2 ms on a PC
   instead of 0.6. RING is what ring's names begin with: its version is in them. As ring's own they take no time that depends on the number. */

#define JOINED(a, b) a##b
#define JOIN(a, b) JOINED(a, b)
#define OF_RING(name) JOIN(RING, name)
#define IN_PLACE_OF(name) JOIN(__wrap_, OF_RING(name))

/* 64 bits of a number, the lowest first. A point is x, y, z of Jacobian coordinates. */
typedef unsigned long limb;
_Static_assert(sizeof(limb) == 8, "ring's limbs are pointers wide");

void OF_RING(p256_point_mul)(limb point[3][4], const limb number[4], const limb x[4], const limb y[4]);

/* FIPS 186-4, D.1.2.3: G_x and G_y, each times 2^256 modulo the curve's prime, which is how ring keeps coordinates. */
static const limb x[4] = {0x79e730d418a9143c, 0x75ba95fc5fedb601, 0x79fb732b77622510, 0x18905f76a53755c6};
static const limb y[4] = {0xddf25357ce95560a, 0x8b4ab8e4ba19e45c, 0xd2e88688dd21f325, 0x8571ff1825885d85};

void IN_PLACE_OF(p256_point_mul_base)(limb point[3][4], const limb number[4]) {
    OF_RING(p256_point_mul)(point, number, x, y);
}

/* Of a number that is no secret. */
void IN_PLACE_OF(p256_point_mul_base_vartime)(limb point[3][4], const limb number[4]) {
    OF_RING(p256_point_mul)(point, number, x, y);
}
