#version 430
invariant gl_Position;
in vec3 position, tangent;
in vec4 strand;  // side -1|1, along 0..1, seed, depth in the hair 0 (outermost) .. 1
out vec3 v_position, v_tangent;
out vec4 v_strand;
uniform mat4 camera, model;
uniform vec3 eye_position;
uniform float width_cm;

void main() {
    vec3 p = (model * vec4(position, 1.0)).xyz, t = normalize(mat3(model) * tangent);
    vec3 across = normalize(cross(t, eye_position - p));
    p += across * strand.x * width_cm * 0.5 * (1.0 - 0.35 * strand.y * strand.y);
    v_position = p; v_tangent = t; v_strand = strand;
    gl_Position = camera * vec4(p, 1.0);
}
