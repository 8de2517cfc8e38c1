#version 330 core
// Lights a person: one key light with a shadow map, a fill, a rim and a sky-and-floor ambient.
// MATERIAL is compiled in: 0 skin, 1 cloth, 2 hair, 3 eye, 4 object, 5 spectacle frame, 6 trousers, 7 hat.
in vec3 v_position;
in vec3 v_normal;
in vec3 v_rest;
in vec2 v_uv;
in vec3 v_paint;  // ambient occlusion; palm of skin, or metres inside the edge of cloth and hair; flush
in vec3 v_light;
out vec4 colour;

uniform sampler2D features;  // lips, nails, ears, face
uniform sampler2DShadow shadow_map;
uniform vec3 colours[8];
uniform vec3 lips, iris;
uniform vec4 brows, trim;
uniform vec3 key_dir, key, fill_dir, fill, rim_dir, rim, ambient;
uniform float wrinkles, beard, seed;

float hash(vec3 p) {
    p = fract(p * 0.3183099 + 0.1);
    p *= 17.0;
    return fract(p.x * p.y * p.z * (p.x + p.y + p.z));
}

float noise(vec3 p) {  // value noise in 0..1
    vec3 i = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    return mix(mix(mix(hash(i), hash(i + vec3(1, 0, 0)), f.x),
                   mix(hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)), f.x), f.y),
               mix(mix(hash(i + vec3(0, 0, 1)), hash(i + vec3(1, 0, 1)), f.x),
                   mix(hash(i + vec3(0, 1, 1)), hash(i + vec3(1, 1, 1)), f.x), f.y), f.z);
}

vec3 slope(vec3 p) {  // the gradient of noise, from the same eight corners
    vec3 i = floor(p), f = fract(p), u = f * f * (3.0 - 2.0 * f), du = 6.0 * f * (1.0 - f);
    float a = hash(i), b = hash(i + vec3(1, 0, 0)), c = hash(i + vec3(0, 1, 0)), d = hash(i + vec3(1, 1, 0));
    float e = hash(i + vec3(0, 0, 1)), g = hash(i + vec3(1, 0, 1)), h = hash(i + vec3(0, 1, 1));
    float k = hash(i + vec3(1, 1, 1));
    return du * vec3(mix(mix(b - a, d - c, u.y), mix(g - e, k - h, u.y), u.z),
                     mix(mix(c - a, d - b, u.x), mix(h - e, k - g, u.x), u.z),
                     mix(mix(e - a, g - b, u.x), mix(h - c, k - d, u.x), u.y));
}

vec3 bump(vec3 n, vec3 p, float frequency, float depth) {  // n tilted by noise
    vec3 g = slope(p * frequency + seed);
    return normalize(n - depth * (g - dot(g, n) * n));
}

float lit() {  // share of the key light that arrives, softened over four bilinear taps
    float step = 1.3 / 1024.0, sum = 0.0;
    for (int i = 0; i < 4; ++i)
        sum += texture(shadow_map, vec3(v_light.xy + (vec2(i & 1, i >> 1) * 2.0 - 1.0) * step, v_light.z - 0.006));
    return mix(0.22, 1.0, sum / 4.0);
}

vec3 cloth_colour() {
    vec3 base = colours[1];
    float kind = trim.w, w = 0.0;
    if (kind > 0.5 && kind < 1.5) w = step(0.5, fract(v_rest.z * 14.0));
    else if (kind > 1.5 && kind < 2.5) w = step(0.5, fract(v_rest.x * 14.0));
    else if (kind > 2.5 && kind < 3.5)
        w = 0.5 * step(0.5, fract(v_rest.z * 11.0)) + 0.5 * step(0.5, fract(v_rest.x * 11.0));
    else if (kind > 3.5) {
        vec2 cell = fract(v_rest.xz * 13.0) - 0.5;
        w = 1.0 - smoothstep(0.22, 0.27, length(cell));
    }
    return mix(base, trim.rgb, w);
}

float brow() {  // 0..1, on the resting template
    float x = abs(v_rest.x);
    float s = (x - 0.012) / 0.040;
    float arc = 0.7445 + 0.0065 * sin(clamp(s, 0.0, 1.0) * 2.2) - 0.004 * smoothstep(0.6, 1.0, s);
    float thick = mix(0.0050, 0.0018, clamp(s, 0.0, 1.0));
    return smoothstep(0.0, 0.10, s) * smoothstep(1.06, 0.90, s) * 0.85
        * smoothstep(thick, 0.35 * thick, abs(v_rest.z - arc)) * step(v_rest.y, -0.10);
}

float stubble() {  // 0..1 over jaw and upper lip
    float x = abs(v_rest.x);
    float jaw = smoothstep(0.690, 0.665, v_rest.z - 0.55 * max(x - 0.025, 0.0)) * step(0.60, v_rest.z);
    return jaw * smoothstep(-0.045, -0.085, v_rest.y);
}

void main() {
#ifdef CUT
    if (v_paint.y + (MATERIAL == 2 ? 0.010 * (noise(v_rest * vec3(190.0, 190.0, 40.0) + seed) - 0.5) : 0.0) < 0.0)
        discard;
#endif
    vec3 n = normalize(v_normal), v = normalize(-v_position);
    if (dot(n, v) < 0.0 && MATERIAL != 0) n = -n;
    vec4 f = texture(features, v_uv);
    vec3 base = colours[MATERIAL], wrap = vec3(0.0);
    float gloss = 0.0, power = 20.0, sheen = 0.0;

    if (MATERIAL == 0) {
        float mottle = noise(v_rest * 38.0 + seed) - 0.5;
        float patches = noise(v_rest * 11.0 + seed) - 0.5;
        base *= 1.0 + 0.10 * mottle + 0.10 * patches;
        base = mix(base, sqrt(base) * vec3(0.92, 0.72, 0.64), 0.55 * v_paint.y);       // palms are paler
        base *= mix(vec3(1.0), vec3(1.06, 0.80, 0.76), v_paint.z);                       // flushed skin
        base = mix(base, lips, 0.75 * f.r);
        base = mix(base, mix(base * 1.25 + 0.05, vec3(0.85, 0.60, 0.55), 0.35), 0.8 * f.g);  // nails
        base = mix(base, brows.rgb, brows.a * brow());
        if (beard > 0.0) base = mix(base, mix(base, brows.rgb, 0.6), beard * stubble() * (1.0 + 0.8 * mottle) * (1.0 - f.r));
        if (wrinkles > 0.0) n = bump(n, v_rest * vec3(0.6, 1.0, 1.6), 90.0, 0.22 * wrinkles);
        wrap = vec3(0.36, 0.18, 0.12);
        gloss = 0.28 + 0.5 * f.g + 0.25 * f.r;
        power = mix(18.0, 48.0, max(f.g, f.r));
    } else if (MATERIAL == 1 || MATERIAL >= 6) {
        base = (MATERIAL == 1 ? cloth_colour() : base) * (0.94 + 0.12 * hash(floor(v_rest * 900.0)));
        n = bump(n, v_rest * vec3(1.0, 1.0, 0.7), 26.0, 0.34);
        wrap = vec3(0.12);
        sheen = 0.12;
    } else if (MATERIAL == 2) {
        vec3 q = v_rest * vec3(1.0, 1.0, 0.12);
        float strands = noise(q * 380.0 + seed);
        base *= 0.45 + 1.1 * strands;
        n = bump(n, q, 240.0, 0.30);
        wrap = vec3(0.15);
        gloss = 0.22;
        power = 14.0;
    } else if (MATERIAL == 3) {  // v_uv is the place on the eyeball, in radii of the iris
        float r = length(v_uv);
        base = mix(iris * (0.7 + 0.6 * r), base, smoothstep(0.92, 1.04, r));
        base *= mix(0.35, 1.0, smoothstep(0.86, 0.70, r) + smoothstep(0.96, 1.12, r));
        base *= smoothstep(0.34, 0.44, r);
        base *= 0.82;
        gloss = 1.1;
        power = 160.0;
    } else if (MATERIAL == 5) {
        gloss = 1.2;
        power = 90.0;
    } else {
        gloss = 0.5;
        power = 40.0;
    }

    float ao = v_paint.x;
    float shadow = lit();
    vec3 sky = ambient * (0.75 - 0.35 * n.y) * ao;  // -Y is up
    vec3 diffuse = sky;
    vec3 d = clamp((dot(n, key_dir) + wrap) / (1.0 + wrap), 0.0, 1.0);
    // Light that grazes a shadow's edge bleeds red through skin.
    vec3 soft = MATERIAL == 0 ? mix(vec3(shadow), vec3(sqrt(shadow), shadow, shadow), 0.6) : vec3(shadow);
    diffuse += key * d * soft;
    diffuse += fill * clamp((dot(n, fill_dir) + wrap) / (1.0 + wrap), 0.0, 1.0) * ao;
    diffuse += rim * clamp((dot(n, rim_dir) + wrap) / (1.0 + wrap), 0.0, 1.0) * ao;
    vec3 c = base * diffuse;

    float fresnel = 0.04 + 0.96 * pow(1.0 - clamp(dot(n, v), 0.0, 1.0), 5.0);
    vec3 h = normalize(key_dir + v);
    c += key * shadow * gloss * (0.25 + fresnel) * pow(max(dot(n, h), 0.0), power) * 0.35;
    h = normalize(rim_dir + v);
    c += rim * gloss * (0.25 + fresnel) * pow(max(dot(n, h), 0.0), power) * 0.35;
    c += (ambient + 0.3 * fill) * (gloss * 0.3 + sheen) * fresnel * ao;

    c = c * (1.0 + c / 6.0) / (1.0 + 0.55 * c);  // soft shoulder
    colour = vec4(pow(clamp(c, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
