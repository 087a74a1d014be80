// Three softboxes and a studio that glows a little. Directions point from the figure to the light; cm, world axes
// (x to the figure's left, y up, z to the camera).
const int LIGHTS = 3;
uniform vec3 light_direction[LIGHTS];
uniform vec3 light_color[LIGHTS];
uniform float light_softness[LIGHTS];  // penumbra in shadow-map units
uniform mat4 light_matrix[LIGHTS];
uniform sampler2DShadow shadow_map[LIGHTS];
uniform vec3 sky, ground;
uniform vec3 eye_position;

const vec2 DISC[12] = vec2[](
    vec2(-0.326, -0.406), vec2(-0.840, -0.074), vec2(-0.696, 0.457), vec2(-0.203, 0.621),
    vec2(0.962, -0.195), vec2(0.473, -0.480), vec2(0.519, 0.767), vec2(0.185, -0.893),
    vec2(0.507, 0.064), vec2(0.896, 0.412), vec2(-0.322, -0.933), vec2(-0.792, -0.598));

float tap(int light, vec3 p) {
    if (light == 0) return texture(shadow_map[0], p);
    if (light == 1) return texture(shadow_map[1], p);
    return texture(shadow_map[2], p);
}

// Share of a light that reaches a point: percentage-closer filtering over a disc turned at random per pixel.
float visible(int light, vec3 position, vec3 normal, int taps) {
    vec4 p = light_matrix[light] * vec4(position + normal * 0.25, 1.0);
    vec3 q = p.xyz * 0.5 + 0.5;
    q.z -= 0.0015;
    float turn = 6.2832 * fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715))));
    mat2 rotation = mat2(cos(turn), sin(turn), -sin(turn), cos(turn));
    float sum = 0.0;
    for (int i = 0; i < taps; ++i) sum += tap(light, vec3(q.xy + rotation * DISC[i] * light_softness[light], q.z));
    return sum / float(taps);
}

vec3 ambient(vec3 n) { return mix(ground, sky, 0.5 + 0.5 * n.y); }

float ggx(vec3 n, vec3 v, vec3 l, float roughness, float f0) {
    vec3 h = normalize(v + l);
    float a2 = roughness * roughness; a2 *= a2;
    float nh = max(dot(n, h), 0.0), nl = max(dot(n, l), 0.0), nv = max(dot(n, v), 0.05);
    float d = nh * nh * (a2 - 1.0) + 1.0;
    float k = (roughness + 1.0) * (roughness + 1.0) / 8.0;
    float g = nl * nv / ((nl * (1.0 - k) + k) * (nv * (1.0 - k) + k));
    float f = f0 + (1.0 - f0) * pow(1.0 - max(dot(v, h), 0.0), 5.0);
    return a2 / (3.14159 * d * d) * g * f / (4.0 * nv);
}

float hash(vec3 p) {
    p = fract(p * 0.3183099 + 0.1); p *= 17.0;
    return fract(p.x * p.y * p.z * (p.x + p.y + p.z));
}

float noise(vec3 x) {
    vec3 i = floor(x), f = fract(x);
    f = f * f * (3.0 - 2.0 * f);
    return mix(mix(mix(hash(i), hash(i + vec3(1, 0, 0)), f.x), mix(hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)), f.x), f.y),
               mix(mix(hash(i + vec3(0, 0, 1)), hash(i + vec3(1, 0, 1)), f.x),
                   mix(hash(i + vec3(0, 1, 1)), hash(i + vec3(1, 1, 1)), f.x), f.y), f.z);
}

// Mikkelsen 2010: a normal bent by a height known per pixel.
vec3 bumped(vec3 position, vec3 n, float height) {
    vec3 px = dFdx(position), py = dFdy(position);
    vec3 r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    vec3 gradient = sign(det) * (dFdx(height) * r1 + dFdy(height) * r2);
    return normalize(abs(det) * n - gradient);
}
